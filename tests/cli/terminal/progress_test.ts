import { assert, assertEquals, assertMatch } from "@std/assert";
import { activeLines, finishedLine, totalLine } from "../../../cli/terminal/_progress_lines.ts";
import { ProgressTally } from "../../../cli/terminal/_progress_tally.ts";
import { Notices } from "../../../cli/terminal/notices.ts";
import { openProgress, progressStyle, type ProgressWords } from "../../../cli/terminal/progress.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { DIGEST, event, OTHER, Recorder, sum } from "./_progress_events.ts";

Deno.test.each(
  [
    { wish: "auto", terminal: true, term: "xterm", style: "terminal" },
    { wish: "auto", terminal: true, term: undefined, style: "terminal" },
    { wish: "auto", terminal: true, term: "dumb", style: "plain" },
    { wish: "auto", terminal: false, term: "xterm", style: "plain" },
    { wish: "plain", terminal: true, term: "xterm", style: "plain" },
    { wish: "json", terminal: true, term: "xterm", style: "json" },
  ] as const,
)(
  "progressStyle() makes $wish $style where terminal is $terminal and TERM is $term",
  ({ wish, terminal, term, style }) => {
    assertEquals(progressStyle(wish, terminal, term), style);
  },
);

Deno.test("openProgress() names blobs and what happens to them by the words of the command", async () => {
  const words: ProgressWords = {
    unit: "blob",
    transferring: "copying",
    transferred: "copied",
    present: "present",
    unchanged: "unchanged",
  };
  const [plain, drawn] = [new Recorder(), new Recorder()];
  const size = () => ({ columns: 80, rows: 24 });
  {
    using notices = new Notices(drawn);
    using lines = openProgress("plain", new Notices(plain), 10_000, size, words);
    using block = openProgress("terminal", notices, 10_000, size, words);
    for (const { report } of [lines, block]) {
      report(event({ bytes: 500 }));
      report(event({ digest: OTHER, phase: "done", bytes: 1000 }));
      report(sum({ bytes: 1000 }));
    }
    await drawn.next();
  }

  assertMatch(plain.text, / copied, 1\.0 kB\n.* 1 blob done\n$/);
  assertMatch(drawn.text, /sha256:0123456789ab copying .*, 1 blob done/s);
});

Deno.test("finishedLine() describes what happened to a blob", () => {
  const fetched = event({ phase: "done", resumed: 400, retries: 2 });
  const cached = event({ phase: "done", cached: true });

  assertEquals(
    [finishedLine(fetched), finishedLine(cached)],
    [
      "localhost/a:1: sha256:0123456789ab fetched, 1.0 kB (400 B resumed, 2 retries)",
      "localhost/a:1: sha256:0123456789ab already in the store, 1.0 kB",
    ],
  );
});

Deno.test("totalLine() shows progress, rate and remaining time", () => {
  const line = totalLine({
    bytes: 34_000_000,
    total: 100_000_000,
    done: 2,
    complete: false,
    rate: 12_000_000,
    leftMs: 5500,
  });

  assertEquals(line, "34 MB of 100 MB (34%), 2 layers done, 12 MB/s, 6 s left");
});

Deno.test("totalLine() leaves out what does not fit, and cuts no phrase", () => {
  const totals = {
    bytes: 34_000_000,
    total: 100_000_000,
    done: 2,
    complete: false,
    rate: 12_000_000,
    leftMs: 5500,
  };
  const whole = totalLine(totals);

  for (let width = 0; width <= whole.length; width++) {
    const line = totalLine(totals, width);
    assert(line.length <= width && whole.startsWith(line), line);
    assert(["", ",", undefined].includes(whole.slice(line.length)[0]) || line === "", line);
  }
  assertEquals(totalLine(totals, 37), "34 MB of 100 MB (34%), 2 layers done");
});

Deno.test("totalLine() names the reference that is being resolved", () => {
  const tally = new ProgressTally();
  tally.add(sum({ reference: "a.io/slow:1", phase: "resolve", total: 0 }));
  assertEquals(totalLine(tally.totals()), "resolving a.io/slow:1");
  assertEquals(totalLine(tally.totals(), 15), "resolving");

  tally.add(sum({ bytes: 1000 }));
  const both = "1.0 kB of 1.0 kB (100%), 0 layers done, resolving a.io/slow:1";
  assertEquals(totalLine(tally.totals()), both);

  tally.add(sum({ reference: "a.io/slow:1", phase: "resolve", total: 3000 }));
  assertEquals(totalLine(tally.totals()), "1.0 kB of 4.0 kB (25%), 0 layers done");
});

/** Layers with numbers of different widths. */
const ACTIVE = [
  event({ bytes: 999, total: 123_456_789, retries: 3 }),
  event({ digest: OTHER, phase: "extract", bytes: 123_000_000, total: 123_456_789 }),
  event({ bytes: 500 }),
];

Deno.test("activeLines() fits terminals of every width, and cuts no phrase", () => {
  for (let width = 0; width <= 200; width++) {
    for (const line of activeLines(ACTIVE, width)) {
      assert(line.length <= width, `${line.length} > ${width}: ${line}`);
      assertMatch(
        line,
        /^(|sha256:[0-9a-f]{12}(| \d+%( fetching| extracting)?| .*B( +retry 3)?))$/,
      );
    }
  }
});

Deno.test("activeLines() draws bars of equal length where there is room", () => {
  for (let width = 70; width <= 120; width++) {
    const lines = activeLines(ACTIVE, width);
    const bars = lines.map((line) => /\[[= ]*\]/.exec(line)?.[0].length);
    assertEquals(new Set(bars).size, 1, lines.join("\n"));
  }
  const [line = ""] = activeLines([event({ bytes: 500 })], 80);
  assertMatch(line, /^sha256:0123456789ab fetching +\[=+ +\] +50% +500 B of 1\.0 kB$/);
});

Deno.test("openProgress() writes one JSON object per line, with every member", () => {
  const sink = new Recorder();
  using notices = new Notices(sink);
  using progress = openProgress("json", notices, 10_000);

  progress.report(event({ bytes: 5 }));
  progress.report(sum({ phase: "resolve" }));

  const base = {
    time: 0,
    reference: "localhost/a:1",
    total: 1000,
    resumed: 0,
    retries: 0,
    cached: false,
  };
  assertEquals(sink.text.trimEnd().split("\n").map((line) => JSON.parse(line)), [
    { ...base, kind: "layer", digest: DIGEST, phase: "fetch", bytes: 5 },
    { ...base, kind: "total", digest: null, phase: "resolve", bytes: 0 },
  ]);
});

Deno.test("openProgress() writes JSON that cannot control a terminal", () => {
  const sink = new Recorder();
  using notices = new Notices(sink);
  using progress = openProgress("json", notices, 10_000);
  const reference = "\x1b[2J\u009b2J\u202e";

  progress.report(event({ reference }));

  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/.test(sink.text), false);
  assertEquals(JSON.parse(sink.text).reference, reference);
});

Deno.test("openProgress() in plain style writes a line per finished blob, and the total", () => {
  const sink = new Recorder();
  using notices = new Notices(sink);
  {
    using progress = openProgress("plain", notices, 10_000);
    progress.report(event({ bytes: 500 }));
    progress.report(event({ phase: "done", bytes: 1000 }));
    progress.report(sum({ phase: "done", bytes: 1000 }));
  }

  assertEquals(sink.text.trimEnd().split("\n"), [
    "localhost/a:1: sha256:0123456789ab fetched, 1.0 kB",
    "1.0 kB of 1.0 kB (100%), 1 layer done",
  ]);
});

Deno.test("openProgress() reports that nothing had to be transferred", () => {
  const recorder = new Recorder();
  {
    using progress = openProgress("plain", new Notices(recorder), 10_000);
    progress.report(sum({ bytes: 0 }));
    progress.report(sum({ phase: "done", bytes: 1000, cached: true }));
  }

  assertEquals(recorder.text, "localhost/a:1: already in the store\n");
});

Deno.test("openProgress() says that a transfer is incomplete", () => {
  const recorder = new Recorder();
  {
    using progress = openProgress("plain", new Notices(recorder), 10_000);
    progress.report(sum({ bytes: 500 }));
  }

  assertEquals(recorder.text, "incomplete: 500 B of 1.0 kB (50%), 0 layers done\n");
});

Deno.test("openProgress() calls no failed extraction an incomplete transfer", () => {
  const recorder = new Recorder();
  {
    using progress = openProgress("plain", new Notices(recorder), 10_000);
    progress.report(event({ phase: "done", bytes: 1000, cached: true }));
    progress.report(sum({ phase: "extract", bytes: 1000, cached: true }));
  }

  assertEquals(
    recorder.text,
    "localhost/a:1: sha256:0123456789ab already in the store, 1.0 kB\n",
  );
});

Deno.test.each([
  { others: [], lines: [] },
  {
    others: [event({ digest: OTHER, phase: "done", bytes: 1000 })],
    lines: ["sha256:ffffffffffff fetched, 1.0 kB", "2 layers done"],
  },
])(
  "openProgress() hides present blobs if there is no word for them: $lines",
  ({ others, lines }) => {
    const recorder = new Recorder();
    {
      const words = { present: undefined };
      using progress = openProgress("plain", new Notices(recorder), 10_000, undefined, words);
      progress.report(event({ phase: "done", bytes: 1000, cached: true }));
      for (const other of others) progress.report(other);
      progress.report(sum({ phase: "done", bytes: 1000 }));
    }

    const shown = recorder.text.split("\n").slice(0, -1);
    assertEquals(shown.map((line, i) => line.includes(lines[i] ?? "none")), lines.map(() => true));
  },
);

Deno.test("openProgress() counts no bytes that never arrived", () => {
  const recorder = new Recorder();
  {
    using progress = openProgress("plain", new Notices(recorder), 10_000);
    progress.report(sum({ bytes: 0 }));
  }

  assertEquals(recorder.text, "");
});

Deno.test("openProgress() in plain style sums up at intervals", async () => {
  const sink = new Recorder();
  using notices = new Notices(sink);
  using progress = openProgress("plain", notices, 1);

  progress.report(sum({ bytes: 500 }));
  await sink.next();

  assertMatch(sink.text, /^500 B of 1\.0 kB \(50%\), 0 layers done\n/);
});

Deno.test("openProgress() does not sum up before an interval longer than any timer", async () => {
  using time = manualTime();
  const sink = new Recorder();
  using notices = new Notices(sink);
  using progress = openProgress("plain", notices, 3e9);

  progress.report(sum({ bytes: 500 }));
  // A timer of 2 ** 31 ms or more fires at once.
  time.pass(2 ** 31 - 1);
  time.pass(3e9 - 2 ** 31);
  assertEquals(sink.text, "");
  time.pass(1);
  await sink.next();

  assertMatch(sink.text, /^500 B of /);
});

Deno.test("openProgress() draws active blobs and the total on a terminal, and tidies up", async () => {
  const sink = new Recorder();
  using notices = new Notices(sink);
  {
    using progress = openProgress("terminal", notices, 10_000, () => ({ columns: 80, rows: 24 }));
    progress.report(event({ bytes: 500 }));
    progress.report(event({ digest: OTHER, bytes: 100 }));
    await sink.next();
  }

  const [drawn = "", tidied = ""] = sink.text.split("\r");
  assertEquals(drawn.split("\n").length, 3);
  assert(drawn.startsWith("\x1b[?25l"), "the cursor is hidden");
  assertEquals(tidied, `\x1b[K${"\x1b[A\x1b[K".repeat(2)}\x1b[?25h`);
});

Deno.test("openProgress() fits the height of a terminal", async () => {
  const sink = new Recorder();
  using notices = new Notices(sink);
  using progress = openProgress("terminal", notices, 10_000, () => ({ columns: 40, rows: 6 }));

  for (let i = 0; i < 9; i++) progress.report(event({ digest: `sha256:${i}${"0".repeat(63)}` }));
  await sink.next();

  const lines = sink.text.split("\n");
  assertEquals(lines.length, 5);
  assertEquals(lines[3], "and 6 more");
});
