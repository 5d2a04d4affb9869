import { assertEquals } from "@std/assert";
import {
  type PooledConnection,
  type RangeJob,
  RangePool,
} from "../../../store/content/_range_pool.ts";
import { Segment } from "../../../store/content/_segment.ts";

/** A download with ranges of ten bytes that end when the test ends them. */
class Job implements RangeJob {
  unassigned: number;
  stealable: number;
  readonly ends: (() => void)[] = [];

  constructor(unassigned: number, stealable = 0) {
    this.unassigned = unassigned;
    this.stealable = stealable;
  }

  fetchNext(_connection?: PooledConnection): Promise<void> {
    if (this.unassigned > 0) this.unassigned -= 10;
    else this.stealable = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ends.push(resolve);
    return promise;
  }
}

Deno.test("RangePool serves the download with the most bytes left first", () => {
  using pool = RangePool.join("a.example", 3);
  const [small, large] = [new Job(20), new Job(100)];
  using _held = pool.connect();

  using _small = pool.add(small);
  using _large = pool.add(large);

  assertEquals([small.ends.length, large.ends.length], [2, 0]);
});

Deno.test("RangePool assigns a free connection to the download with the most bytes left", async () => {
  using pool = RangePool.join("a.example", 1);
  const [small, large] = [new Job(20), new Job(100)];
  using _small = pool.add(small);
  using _large = pool.add(large);

  small.ends[0]?.();
  await Promise.resolve().then(() => {}).then(() => {});

  assertEquals([small.ends.length, large.ends.length], [1, 1]);
});

Deno.test("RangePool looks for the next range once at the end of a range", async () => {
  using pool = RangePool.join("a.example", 1);
  const job = new Job(10);
  using _job = pool.add(job);
  let looks = 0;
  Object.defineProperty(job, "unassigned", {
    get() {
      looks++;
      return 0;
    },
  });

  job.ends[0]?.();
  await Promise.resolve().then(() => {}).then(() => {});

  assertEquals(looks, 1);
});

Deno.test("RangePool starts a third of the ranges early at most", async () => {
  using pool = RangePool.join("a.example", 3);
  const job = new Job(100);
  const fetchNext = job.fetchNext;
  job.fetchNext = (connection?: PooledConnection) => {
    // Each range is so short that the next one could start at once.
    connection?.[Symbol.dispose]();
    return fetchNext.call(job);
  };
  using _job = pool.add(job);

  assertEquals(job.ends.length, 4);
  job.ends[0]?.();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(job.ends.length, 5);
});

Deno.test("RangePool takes over ranges only when no bytes are unassigned", () => {
  using pool = RangePool.join("a.example", 3);
  using _slow = pool.add(new Job(0, 1000));
  const job = new Job(10);
  using _job = pool.add(job);

  assertEquals([job.ends.length, job.unassigned], [1, 0]);
});

Deno.test("RangePool.unassigned counts downloads that have only been announced", () => {
  using pool = RangePool.join("a.example", 3);
  {
    using _announced = pool.announce(new Job(100));
    const job = new Job(50);
    using _other = pool.announce(job);
    using _first = pool.connect();
    using _second = pool.connect();
    using _added = pool.add(job);

    assertEquals(pool.unassigned, 140);
  }
  assertEquals(pool.unassigned, 0);
});

Deno.test("RangePool.join() shares the connections of a host, and no others", () => {
  using a = RangePool.join("a.example", 3);
  using again = RangePool.join("a.example", 5);
  using b = RangePool.join("b.example", 3);

  assertEquals([a === again, a === b, a.capacity], [true, false, 5]);
});

const MIB = 1024 * 1024;

Deno.test("Segment.stealable() shares the rest with a faster connection by their rates", () => {
  const segment = new Segment(0, 16 * MIB);
  Object.defineProperties(segment, {
    rate: { value: MIB / 1000 },
    elapsedMs: { value: 2000 },
  });
  segment.received = MIB;

  assertEquals(segment.stealable(0, 4 * MIB / 1000), 12 * MIB);
  assertEquals(segment.stealable(0, 2 * MIB / 1000), 0);
  assertEquals(segment.stealable(0, undefined), 0);
});

Deno.test("Segment.split() ends the first part where the second starts", () => {
  const segment = new Segment(0, 16 * MIB);

  const rest = segment.split(6 * MIB);

  assertEquals([segment.end, rest.start, rest.end], [10 * MIB, 10 * MIB, 16 * MIB]);
  assertEquals(segment.cut(new Uint8Array(11 * MIB)).length, 10 * MIB);
});

Deno.test("RangePool.expect() reserves the connection of another download", () => {
  using pool = RangePool.join("a.example", 3);
  const job = new Job(100);
  const expected = RangePool.expect("a.example");
  using _job = pool.add(job);
  assertEquals(job.ends.length, 2);

  using _connection = pool.connect();
  expected[Symbol.dispose]();
  expected[Symbol.dispose]();

  assertEquals(job.ends.length, 2);
});

Deno.test("RangePool assigns the connections of a finished download to the others", () => {
  using pool = RangePool.join("a.example", 3);
  const job = new Job(100);
  const expected = RangePool.expect("a.example");
  using _job = pool.add(job);

  expected[Symbol.dispose]();

  assertEquals(job.ends.length, 3);
});
