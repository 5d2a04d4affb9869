import { assertEquals } from "@std/assert";
import { RangeMap } from "../../../store/downloads/_range_map.ts";
import type { Segment } from "../../../store/downloads/_segment.ts";
import { manualTime } from "../../_support/manual_time.ts";

const MIB = 1024 * 1024;

/** Takes the next range, as its start and end in MiB. */
function take(map: RangeMap, length: number): readonly number[] | undefined {
  const segment = map.takeNext(length * MIB);
  return segment && [segment.start / MIB, segment.end / MIB];
}

Deno.test("RangeMap.takeNext() fills the gaps of an earlier run", () => {
  const map = new RangeMap(4 * MIB, [{ start: 8 * MIB, end: 16 * MIB }], 32 * MIB);

  assertEquals([map.received, map.unassigned], [12 * MIB, 20 * MIB]);
  assertEquals(take(map, 8), [4, 8]);
  assertEquals(take(map, 8), [16, 24]);
  assertEquals(take(map, 8), [24, 32]);
  assertEquals(take(map, 8), undefined);
});

Deno.test("RangeMap.takeNext() leaves no range that is too short for a request", () => {
  const map = new RangeMap(0, [], 8.5 * MIB);

  assertEquals(take(map, 0.5), [0, 1]);
  assertEquals(take(map, 7.25), [1, 8.5]);
});

Deno.test("RangeMap.takeNext() rounds a length up to whole bytes", () => {
  const map = new RangeMap(0, [], 16 * MIB);

  assertEquals(map.takeNext(4 * MIB + 0.25)?.end, 4 * MIB + 1);
});

Deno.test("RangeMap.contiguousEnd() returns the end of the bytes before the first gap", () => {
  const map = new RangeMap(0, [], 16 * MIB);
  const [first, second] = [map.takeNext(8 * MIB), map.takeNext(8 * MIB)] as [Segment, Segment];

  map.count(second, 8 * MIB);
  assertEquals(map.contiguousEnd(0), 0);
  map.count(first, 3 * MIB);
  assertEquals(map.contiguousEnd(0), 3 * MIB);
  map.count(first, 5 * MIB);
  assertEquals(map.contiguousEnd(3 * MIB), 16 * MIB);
  assertEquals(map.received, 16 * MIB);
});

Deno.test("RangeMap.contiguousEnd() forgets ranges that have been read", () => {
  const map = new RangeMap(0, [], 16 * MIB);
  const first = map.takeNext(8 * MIB) as Segment;
  map.count(first, 8 * MIB);

  map.contiguousEnd(8 * MIB);

  assertEquals(map.has(first), false);
  assertEquals(map.contiguousEnd(8 * MIB), 8 * MIB);
});

Deno.test("RangeMap.giveBack() marks the rest of a range as missing", () => {
  const map = new RangeMap(0, [], 16 * MIB);
  const [first, second] = [map.takeNext(8 * MIB), map.takeNext(4 * MIB)] as [Segment, Segment];
  map.count(first, 3 * MIB);

  assertEquals(map.giveBack(first, 60), true);

  assertEquals([first.signal.aborted, first.end, second.signal.aborted], [true, 3 * MIB, false]);
  assertEquals([map.nextMissing, map.unassigned], [3 * MIB, 9 * MIB]);
  assertEquals([take(map, 8), take(map, 8)], [[3, 8], [12, 16]]);
});

Deno.test("RangeMap.giveBack() keeps ranges once too many bytes may have been sent twice", () => {
  const map = new RangeMap(0, [], 64 * MIB);
  const given = Array.from({ length: 50 }, () => map.giveBack(map.takeNext(MIB) as Segment, 60));

  // Each costs 128 KiB at least, of 4% of the blob.
  assertEquals(given.filter((isGiven) => isGiven).length, 20);
});

Deno.test("RangeMap.running omits complete ranges", () => {
  const map = new RangeMap(0, [{ start: 8 * MIB, end: 16 * MIB }], 32 * MIB);
  const [first, second] = [map.takeNext(8 * MIB), map.takeNext(8 * MIB)] as [Segment, Segment];

  map.count(first, 8 * MIB);

  assertEquals(map.running, [second]);
});

Deno.test("RangeMap.mayFetchMore does not limit a new download", () => {
  const map = new RangeMap(0, [], 64 * MIB);
  for (let i = 0; i < 20; i++) map.takeNext(MIB);

  assertEquals(map.mayFetchMore, true);
});

Deno.test("RangeMap.mayFetchMore adds connections to a resumed download as it gains bytes", () => {
  using time = manualTime();
  const map = new RangeMap(MIB, [], 1024 * MIB);
  const segment = map.takeNext(512 * MIB) as Segment;
  const allowed = () => {
    const before = map.running.length;
    while (map.mayFetchMore) map.takeNext(MIB);
    return map.running.length - before;
  };

  map.count(segment, 1);
  assertEquals(allowed(), 0);
  time.pass(200);
  map.count(segment, 2 * MIB);
  assertEquals(allowed(), 0);
  time.pass(110);
  map.count(segment, MIB);
  assertEquals(allowed(), 1);
  time.pass(600);
  map.count(segment, 6 * MIB);
  assertEquals(allowed(), 2);
});

Deno.test("RangeMap.stop() leaves nothing to fetch", () => {
  const map = new RangeMap(0, [], 16 * MIB);
  const segment = map.takeNext(8 * MIB) as Segment;

  map.stop();

  assertEquals([segment.signal.aborted, map.unassigned], [true, 0]);
});
