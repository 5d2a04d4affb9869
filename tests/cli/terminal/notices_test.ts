import { assertEquals } from "@std/assert";
import { Notices } from "../../../cli/terminal/notices.ts";

/** Keeps the written bytes, and accepts only a few at a time, like a busy terminal. */
class Recorder {
  text = "";

  writeSync(bytes: Uint8Array): number {
    const part = bytes.subarray(0, 5);
    this.text += new TextDecoder().decode(part);
    return part.length;
  }
}

Deno.test("Notices writes lines as they are where no status is shown", () => {
  const sink = new Recorder();
  using notices = new Notices(sink);

  notices.line("one");
  notices.line("two");

  assertEquals(sink.text, "one\ntwo\n");
});

Deno.test("Notices redraws the status block in place, below lines that stay", () => {
  const sink = new Recorder();
  using notices = new Notices(sink);

  notices.status(["a", "b"]);
  notices.line("stays");
  notices.status(["c"]);

  assertEquals(
    sink.text,
    "\x1b[?25la\nb" + "\r\x1b[K\x1b[A\x1b[Kstays\na\nb" + "\r\x1b[K\x1b[A\x1b[Kc",
  );
});

Deno.test("Notices erases a block that a narrower terminal has wrapped", () => {
  const sink = new Recorder();
  let columns = 10;
  using notices = new Notices(sink, () => columns);

  notices.status(["1234567890", "b"]);
  columns = 4;
  notices.status(["c"]);

  const up = "\x1b[A\x1b[K";
  assertEquals(sink.text, `\x1b[?25l1234567890\nb\r\x1b[K${up}${up}${up}c`);
});

Deno.test("Notices escapes control characters in lines, messages, questions and the status", () => {
  const sink = new Recorder();
  const hostile = "a\x1b[2J\nb";
  {
    using notices = new Notices(sink);
    notices.line(hostile);
    notices.message(hostile);
    notices.prompt(hostile);
    notices.status([hostile]);
  }

  const shown = "a\\u{1b}[2J\\u{a}b";
  assertEquals(
    sink.text,
    `${shown}\n${shown}\n${shown} \x1b[?25l${shown}\r\x1b[K\x1b[?25h`,
  );
});

Deno.test("Notices erases the block and shows the cursor again when disposed of", () => {
  const sink = new Recorder();
  {
    using notices = new Notices(sink);
    notices.status(["a"]);
  }

  assertEquals(sink.text, "\x1b[?25la" + "\r\x1b[K\x1b[?25h");
});

Deno.test("Notices writes in order to a pipe, and waits for its reader elsewhere", async () => {
  const read = Promise.withResolvers<void>();
  let text = "";
  const write = async (bytes: Uint8Array): Promise<number> => {
    await read.promise;
    const part = bytes.subarray(0, 5);
    text += new TextDecoder().decode(part);
    return part.length;
  };
  using notices = new Notices({ writeSync: () => 0, write });

  notices.line("the first");
  notices.line("the second");
  const pending = notices.flush();
  read.resolve();
  await pending;
  notices.line("the third");
  await notices.flush();

  assertEquals(text, "the first\nthe second\nthe third\n");
  assertEquals(notices.flush(), undefined);
});

Deno.test("Notices drops text for a full pipe that nobody reads", async () => {
  const read = Promise.withResolvers<number>();
  let calls = 0;
  const write = (bytes: Uint8Array): Promise<number> => {
    return ++calls === 1 ? read.promise : Promise.resolve(bytes.length);
  };
  using notices = new Notices({ writeSync: () => 0, write });

  for (let i = 0; i < 3000; i++) notices.line("x".repeat(999));
  read.resolve(1000);
  await notices.flush();

  assertEquals(calls, 1000);
});

Deno.test("Notices ignores a closed standard error", () => {
  let calls = 0;
  using notices = new Notices({
    writeSync: () => {
      calls++;
      throw new Deno.errors.BrokenPipe();
    },
  });

  notices.line("lost");

  assertEquals(calls, 1);
});

Deno.test("Notices.message() wraps between words on a terminal only", () => {
  const lines = (columns: number | undefined) => {
    let text = "";
    const writeSync = (bytes: Uint8Array) => {
      text += new TextDecoder().decode(bytes);
      return bytes.length;
    };
    using notices = new Notices({ writeSync }, () => columns);
    notices.message("oci: warning: something is odd about this");
    return text;
  };

  assertEquals(lines(undefined), "oci: warning: something is odd about this\n");
  assertEquals(lines(30), "oci: warning: something is odd\n  about this\n");
});

Deno.test("Notices wraps a question between words, with room for the answer", () => {
  const sink = new Recorder();
  using notices = new Notices(sink, () => 40);

  notices.prompt("Delete the tag 127.0.0.1:41801/app:t2? [y/N]");

  assertEquals(sink.text, "Delete the tag 127.0.0.1:41801/app:t2?\n  [y/N] ");
});
