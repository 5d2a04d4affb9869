import { assertEquals } from "@std/assert";
import { LinePace } from "../../../store/downloads/_line_pace.ts";
import { Segment } from "../../../store/downloads/_segment.ts";
import { type ManualTime, manualTime } from "../../_support/manual_time.ts";

const MIB = 1024 * 1024;
const LATENCY_MS = 60;

/** A line whose connections usually send 10 KB per millisecond and respond after 100 ms. */
function usualPace(time: ManualTime): LinePace {
  const pace = new LinePace();
  for (let i = 0; i < 3; i++) pace.count(arriving(time, 10_000, 200));
  return pace;
}

/** A range of 8 MiB that has arrived at a rate for a while. */
function arriving(time: ManualTime, rate: number, ms: number): Segment {
  const segment = new Segment(0, 8 * MIB);
  time.pass(100);
  segment.count(1);
  time.pass(ms);
  segment.count(rate * ms);
  return segment;
}

for (
  const { what, rate, ms, latencyMs = LATENCY_MS, isLast = false, expected } of [
    { what: "a range that is four times slower than usual", rate: 2000, ms: 500, expected: true },
    { what: "no range that is three times slower", rate: 3500, ms: 500, expected: false },
    {
      what: "a range that is three times slower if connections are free",
      rate: 3500,
      ms: 500,
      isLast: true,
      expected: true,
    },
    { what: "no range before its rate has settled", rate: 1000, ms: 450, expected: false },
    { what: "no slow range that ends soon", rate: 2500, ms: 3200, expected: false },
    {
      what: "no slow range of a near server, which settles later",
      rate: 1000,
      ms: 1400,
      latencyMs: 1,
      expected: false,
    },
    {
      what: "a slow range of a near server in the end",
      rate: 1000,
      ms: 1600,
      latencyMs: 1,
      expected: true,
    },
  ]
) {
  Deno.test(`LinePace.isLate() gives back ${what}`, () => {
    using time = manualTime();
    const pace = usualPace(time);

    assertEquals(pace.isLate(arriving(time, rate, ms), latencyMs, isLast), expected);
  });
}

Deno.test("LinePace.isLate() compares only with ranges that have arrived", () => {
  using time = manualTime();

  assertEquals(new LinePace().isLate(arriving(time, 1, 2000), LATENCY_MS, true), false);
});

Deno.test("LinePace.isLate() gives back a silent range if others arrive", () => {
  using time = manualTime();
  const pace = usualPace(time);
  const segment = new Segment(0, MIB);

  time.pass(600);
  pace.touch();
  time.pass(300);
  assertEquals(pace.isLate(segment, LATENCY_MS, false), false);
  time.pass(200);
  assertEquals(pace.isLate(segment, LATENCY_MS, false), true);
});

Deno.test("LinePace.isLate() gives back no range while the whole line is silent", () => {
  using time = manualTime();
  const pace = usualPace(time);
  const segment = new Segment(0, MIB);

  pace.touch();
  time.pass(10_000);

  assertEquals(pace.isLate(segment, LATENCY_MS, false), false);
});

Deno.test("LinePace.isLate() waits for servers that usually respond late", () => {
  using time = manualTime();
  const pace = new LinePace();
  const segments = [1, 2, 3].map(() => new Segment(0, MIB));
  time.pass(2000);
  for (const segment of segments) {
    segment.count(MIB);
    pace.count(segment);
  }
  const segment = new Segment(0, MIB);

  time.pass(7900);
  assertEquals(pace.isLate(segment, LATENCY_MS, true), false);
  time.pass(200);
  assertEquals(pace.isLate(segment, LATENCY_MS, true), true);
});

Deno.test("LinePace.isLate() does not count the time in which the reader processes bytes", async () => {
  using time = manualTime();
  const pace = usualPace(time);
  const segment = arriving(time, 10_000, 100);
  const { promise, resolve } = Promise.withResolvers<void>();

  const held = segment.hold(promise);
  time.pass(10_000);
  assertEquals(pace.isLate(segment, LATENCY_MS, true), false);
  resolve();
  await held;

  assertEquals(segment.rate, 10_000 + 0.01);
  assertEquals(pace.isLate(segment, LATENCY_MS, true), false);
});

Deno.test("LinePace.rate follows a line that becomes slow for all", () => {
  using time = manualTime();
  const pace = usualPace(time);

  for (let i = 0; i < 7; i++) pace.count(arriving(time, 1000, 600));

  assertEquals(pace.isLate(arriving(time, 1000, 600), LATENCY_MS, true), false);
});
