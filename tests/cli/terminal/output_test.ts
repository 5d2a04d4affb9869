import { assert, assertEquals, assertRejects } from "@std/assert";
import { Output, OutputClosedError, type Sink } from "../../../cli/terminal/output.ts";
import { OciError } from "../../../spec/mod.ts";

/** A sink that accepts a few bytes at a time, and the received bytes. */
function collector(): Sink & { text(): string } {
  const bytes: number[] = [];
  return {
    write: (chunk) => {
      const part = chunk.subarray(0, 3);
      bytes.push(...part);
      return Promise.resolve(part.length);
    },
    text: () => new TextDecoder().decode(new Uint8Array(bytes)),
  };
}

Deno.test("Output.json() writes a document that cannot control a terminal", async () => {
  const value = { name: "\x1b[31m\x7f\x9b2J\u202e\u2028\u{e0041} ä 你" };
  const sink = collector();

  await new Output({ sink }).json(value);

  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028\u{e0041}]/u.test(sink.text()), false);
  assertEquals(sink.text().includes("ä 你"), true);
  assertEquals(JSON.parse(sink.text()), value);
});

const HOSTILE = "\t{\x1b]52;c;eA==\x07\r\n\u009b2J \u202eä 你";

Deno.test("Output.content() escapes control characters on a terminal only", async () => {
  const bytes = new TextEncoder().encode(HOSTILE);
  // Characters are cut at the end of a chunk.
  const chunks = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  const pipe = collector();
  const terminal = { ...collector(), isTerminal: () => true };

  await new Output({ sink: pipe }).content(chunks);
  await new Output({ sink: terminal }).content(chunks);

  assertEquals(pipe.text(), HOSTILE);
  const shown = "\t{\\u{1b}]52;c;eA==\\u{7}\\u{d}\n\\u{9b}2J \\u{202e}ä 你";
  assertEquals(terminal.text(), shown);
});

Deno.test("Output.lines() escapes control characters and line ends in a line", async () => {
  const sink = collector();

  await new Output({ sink }).lines(["a\nb", "\x1b[2J"]);
  await new Output({ sink }).lines([]);

  assertEquals(sink.text(), "a\\u{a}b\n\\u{1b}[2J\n");
});

Deno.test("Output ends a pending write when its signal is aborted", async () => {
  const controller = new AbortController();
  const reason = new Error("interrupted");
  const output = new Output({
    sink: {
      write: () => {
        controller.abort(reason);
        return Promise.withResolvers<number>().promise;
      },
    },
    signal: controller.signal,
  });

  assertEquals(await assertRejects(() => output.text("x")), reason);
});

Deno.test("Output distinguishes a closed pipe from a full disk", async () => {
  const failing = (error: Error) => new Output({ sink: { write: () => Promise.reject(error) } });

  await assertRejects(() => failing(new Deno.errors.BrokenPipe()).text("x"), OutputClosedError);
  await assertRejects(
    () => failing(Object.assign(new Error("x"), { code: "ENOSPC" })).text("x"),
    OciError,
    "Cannot write to standard output: the disk is full. Redirect it to another place",
  );
});

Deno.test("Output.json() reports a document that is nested too deeply", async () => {
  const depth = 100_000;
  const value = JSON.parse("[".repeat(depth) + "]".repeat(depth));

  await assertRejects(
    () => new Output({ sink: collector() }).json(value),
    OciError,
    "it is nested too deeply. Print the original document: without --json, or with --raw or --config",
  );
});

Deno.test("Output.eachLine() writes available lines together, and does not delay others", async () => {
  const writes: string[] = [];
  const seen: string[] = [];
  const sink = {
    write: async (bytes: Uint8Array) => {
      await delayed();
      writes.push(new TextDecoder().decode(bytes));
      return bytes.length;
    },
  };
  const names = Array.from({ length: 5000 }, (_, i) => `n${i}`);

  await new Output({ sink }).eachLine((async function* () {
    yield* names;
    while (writes.join("").length < names.join("\n").length) await delayed();
    seen.push(writes.at(-1)?.slice(-6) ?? "");
    yield "last";
  })());

  assertEquals([seen, writes.at(-1)], [["n4999\n"], "last\n"]);
  assertEquals(writes.join(""), `${[...names, "last"].join("\n")}\n`);
  assert(writes.length < 15, `${writes.length} writes`);
});

Deno.test("Output.eachLine() writes the lines before a failure", async () => {
  const sink = collector();
  const lines = async function* () {
    yield* ["a", "b", "c"];
    throw new Error("no more");
  };

  await assertRejects(() => new Output({ sink }).eachLine(lines()), Error, "no more");

  assertEquals(sink.text(), "a\nb\nc\n");
});

Deno.test("Output.eachLine() waits for no more lines once the pipe is closed", async () => {
  const output = new Output({
    sink: { write: () => Promise.reject(new Deno.errors.BrokenPipe()) },
  });

  await assertRejects(
    () =>
      output.eachLine((async function* () {
        yield "a";
        await Promise.withResolvers<void>().promise;
      })()),
    OutputClosedError,
  );
});

/** Waits until other tasks of the event loop have run. */
function delayed(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
