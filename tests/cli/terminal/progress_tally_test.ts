import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { totalLine } from "../../../cli/terminal/_progress_lines.ts";
import { ProgressTally } from "../../../cli/terminal/_progress_tally.ts";
import { DIGEST, event, OTHER, sum } from "./_progress_events.ts";

Deno.test("ProgressTally adds up images, and counts layers once", () => {
  const tally = new ProgressTally();

  tally.add(sum({ bytes: 500, total: 1300 }));
  tally.add(sum({ reference: "localhost/b:1", phase: "done", bytes: 40, total: 40 }));
  tally.add(event({ bytes: 500 }));
  const first = tally.add(event({ digest: OTHER, phase: "done", bytes: 300, cached: true }));
  const again = tally.add(event({ digest: OTHER, phase: "done", bytes: 300 }));

  const { bytes, total, done, complete } = tally.totals();
  assertEquals({ bytes, total, done, complete, first, again }, {
    bytes: 540,
    total: 1340,
    done: 1,
    complete: false,
    first: true,
    again: false,
  });
  assertEquals(tally.active().map(({ digest }) => digest), [DIGEST]);
});

Deno.test("ProgressTally shows a blob that is sent although it was skipped first", () => {
  const tally = new ProgressTally();
  tally.add(sum({ total: 1000 }));
  tally.add(event({ time: 1000, phase: "done", bytes: 1000, cached: true }));

  tally.add(event({ time: 2000, bytes: 0, retries: 1 }));
  tally.add(event({ time: 3000, bytes: 400, retries: 1 }));
  const [active] = tally.active();
  const { done, rate } = tally.totals();
  const isDone = tally.add(event({ time: 4000, phase: "done", bytes: 1000, retries: 1 }));

  assertEquals({ bytes: active?.bytes, done, rate: Math.round(rate), isDone }, {
    bytes: 400,
    done: 0,
    rate: 133,
    isDone: true,
  });
  assertEquals(tally.totals().done, 1);
});

Deno.test("ProgressTally computes rate and remaining time from bytes received over the network", () => {
  const tally = new ProgressTally();

  tally.add(event({ time: 0, digest: OTHER, phase: "done", bytes: 300, total: 300, cached: true }));
  tally.add(event({ time: 1000, bytes: 400, resumed: 400, total: 2000 }));
  tally.add(event({ time: 3000, bytes: 1400, resumed: 400, total: 2000 }));
  tally.add(sum({ time: 3000, bytes: 1700, resumed: 400, total: 2300 }));

  const { rate, leftMs } = tally.totals();
  assertEquals(Math.round(rate), 333);
  assertEquals(Math.round(leftMs ?? 0), 1800);
});

Deno.test("ProgressTally measures the rate again after the clock has been set back", () => {
  const tally = new ProgressTally();
  tally.add(event({ time: 9_000_000, bytes: 100, total: 2000 }));
  tally.add(event({ time: 9_001_000, bytes: 200, total: 2000 }));

  tally.add(event({ time: 1000, bytes: 300, total: 2000 }));
  tally.add(event({ time: 2000, bytes: 800, total: 2000 }));

  assertEquals(tally.totals().rate, 500);
});

Deno.test("ProgressTally computes the rate of blobs that arrive with their first event", () => {
  const tally = new ProgressTally();

  tally.add(sum({ time: 1000, bytes: 0, total: 2100 }));
  tally.add(sum({ time: 2000, bytes: 0, total: 2100 }));
  tally.add(event({ time: 2990, digest: OTHER, phase: "done", bytes: 100, total: 100 }));
  tally.add(event({ time: 3000, phase: "done", bytes: 2000, total: 2000 }));
  tally.add(sum({ time: 3000, bytes: 2100, total: 2100 }));

  assertEquals(tally.totals().rate, 2100);
});

Deno.test("ProgressTally tells when blobs are stored and still extracted", () => {
  const tally = new ProgressTally();
  tally.add(sum({ bytes: 0 }));
  tally.add(event({ phase: "done", bytes: 1000 }));
  const fetched = tally.totals().extracting;
  tally.add(sum({ phase: "extract", bytes: 1000 }));
  const { extracting } = tally.totals();
  tally.add(sum({ phase: "done", bytes: 1000 }));

  assertEquals([fetched, extracting, tally.totals().extracting], [false, true, false]);
  assertStringIncludes(
    totalLine({ ...tally.totals(), extracting }),
    "(100%), extracting, 1 layer done",
  );
});

Deno.test("ProgressTally estimates no time left from less than a second", () => {
  const tally = new ProgressTally();
  tally.add(event({ time: 0, bytes: 0, total: 1_000_000_000 }));
  tally.add(event({ time: 100, bytes: 1, total: 1_000_000_000 }));
  tally.add(sum({ time: 100, bytes: 1, total: 1_000_000_000 }));
  const early = tally.totals();
  tally.add(event({ time: 1000, bytes: 1, total: 1_000_000_000 }));

  assertEquals(early.rate, 10);
  assertEquals(early.leftMs, undefined);
  assert(tally.totals().leftMs !== undefined);
});
