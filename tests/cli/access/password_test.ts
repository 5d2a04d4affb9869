import { assertEquals, assertRejects } from "@std/assert";
import {
  confirm,
  type PasswordSource,
  type PromptOptions,
  promptPassword,
  promptUser,
  readPassword,
} from "../../../cli/access/password.ts";
import { UsageError } from "../../../cli/frame/errors.ts";
import { InterruptedError } from "../../../cli/frame/interruption.ts";
import { Notices } from "../../../cli/terminal/notices.ts";

/** A keyboard that delivers the given chunks. */
class Keyboard implements PasswordSource {
  readonly raw: boolean[] = [];
  readonly #chunks: Uint8Array[];
  readonly #terminal: boolean;

  constructor(chunks: readonly Uint8Array[], terminal = true) {
    this.#chunks = [...chunks];
    this.#terminal = terminal;
  }

  isTerminal(): boolean {
    return this.#terminal;
  }

  setRaw(mode: boolean): void {
    this.raw.push(mode);
  }

  close(): void {}

  read(buffer: Uint8Array): Promise<number | null> {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return Promise.resolve(null);
    buffer.set(chunk);
    return Promise.resolve(chunk.length);
  }
}

/** A keyboard without input. */
class SilentKeyboard extends Keyboard {
  readonly #waiting = Promise.withResolvers<number | null>();

  constructor() {
    super([]);
  }

  override read(): Promise<number | null> {
    return this.#waiting.promise;
  }

  override close(): void {
    this.#waiting.reject(new Deno.errors.BadResource());
  }
}

const { signal } = new AbortController();

function typedOn(source: PasswordSource): PromptOptions {
  return { signal, source };
}

function keyboard(...chunks: readonly string[]): Keyboard {
  return new Keyboard(chunks.map((chunk) => new TextEncoder().encode(chunk)));
}

function silent(): Notices {
  return new Notices({ writeSync: (bytes) => bytes.length });
}

Deno.test.each([
  { name: "a line", chunks: ["s3cret\r"] },
  { name: "keys one by one", chunks: ["s", "3", "cret", "\n"] },
  { name: "a corrected mistake", chunks: ["s3x\x7fcret\r"] },
  { name: "a line begun again", chunks: ["wrong\x15s3cret\r"] },
  { name: "the end of input", chunks: ["s3cret"] },
])("promptPassword() accepts $name", async ({ chunks }) => {
  assertEquals(await promptPassword("u", silent(), typedOn(keyboard(...chunks))), "s3cret");
});

Deno.test("promptPassword() reads letters that arrive in pieces, and erases them as a whole", async () => {
  const typed = new TextEncoder().encode("äö\x7fé\r");
  const source = new Keyboard([...typed].map((byte) => Uint8Array.of(byte)));

  assertEquals(await promptPassword("u", silent(), typedOn(source)), "äé");
});

Deno.test("promptPassword() shows the question, but not the typed text", async () => {
  let shown = "";
  const notices = new Notices({
    writeSync: (bytes) => {
      shown += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  const source = keyboard("s3cret\r");

  await promptPassword("u", notices, typedOn(source));

  assertEquals(shown, "Password of u: \n");
  assertEquals(source.raw, [true, false]);
});

Deno.test("readPassword() does not read endless input", async () => {
  const { signal } = new AbortController();
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(16_384)),
  });

  const message = "the password on stdin is longer than 65536 characters";
  await assertRejects(() => readPassword(signal, endless), UsageError, message);
});

Deno.test("promptPassword() is interrupted by Ctrl-C and restores the terminal", async () => {
  const source = keyboard("s3\x03");

  const error = await assertRejects(
    () => promptPassword("u", silent(), typedOn(source)),
    InterruptedError,
  );

  assertEquals(error.exitCode, 130);
  assertEquals(source.raw, [true, false]);
});

Deno.test("promptPassword() is stopped by its signal and restores the terminal", async () => {
  const source = new SilentKeyboard();
  const stop = new AbortController();
  const asked = promptPassword("u", silent(), { signal: stop.signal, source });

  stop.abort();

  await assertRejects(() => asked, Deno.errors.BadResource);
  assertEquals(source.raw, [true, false]);
});

Deno.test("readPassword() is stopped by its signal", async () => {
  const stop = new AbortController();
  const password = readPassword(stop.signal, new ReadableStream());

  stop.abort(new Error("stop"));

  await assertRejects(() => password, Error, "stop");
});

Deno.test("promptPassword() does not prompt without a terminal", async () => {
  const source = new Keyboard([], false);

  await assertRejects(
    () => promptPassword("u", silent(), typedOn(source)),
    UsageError,
    "--password-stdin",
  );
});

Deno.test.each([
  { text: "s3cret" },
  { text: "s3cret\n" },
  { text: "s3cret\r\n" },
])("readPassword() removes one line end from the end of $text", async ({ text }) => {
  assertEquals(await readPassword(signal, new Blob([text]).stream()), "s3cret");
});

Deno.test("readPassword() keeps spaces and line ends, except the last line end", async () => {
  assertEquals(await readPassword(signal, new Blob([" a\nb \n\n"]).stream()), " a\nb \n");
});

Deno.test("readPassword() refuses an empty password", async () => {
  await assertRejects(
    () => readPassword(signal, new Blob(["\n"]).stream()),
    UsageError,
    "stdin is empty",
  );
});

Deno.test("promptUser() reads a line, and refuses invalid user names", async () => {
  const said: string[] = [];
  const notices = new Notices({
    writeSync(bytes) {
      said.push(new TextDecoder().decode(bytes));
      return bytes.length;
    },
  });
  const ask = (typed: string, isTerminal = true) => {
    const source = new Keyboard([new TextEncoder().encode(typed)], isTerminal);
    return promptUser("h.io", notices, { signal, source });
  };

  assertEquals(await ask(" ann\n"), "ann");
  assertEquals(said, ["User name for h.io: "]);
  await assertRejects(() => ask("\n"), UsageError, "is empty or contains a colon");
  await assertRejects(() => ask("a:b\n"), UsageError, "is empty or contains a colon");
  await assertRejects(() => ask("ann\n", false), UsageError, "without a terminal");
});

Deno.test("confirm() ends the line of its question when it is interrupted", async () => {
  let said = "";
  const notices = new Notices({
    writeSync(bytes) {
      said += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  const controller = new AbortController();
  const reading = Promise.withResolvers<null>();
  const source = {
    isTerminal: () => true,
    setRaw() {},
    read: () => {
      controller.abort();
      return reading.promise;
    },
    close: () => reading.resolve(null),
  };

  const answer = await confirm("Delete it?", notices, { signal: controller.signal, source });

  assertEquals(answer, false);
  assertEquals(said, "Delete it? [y/N] \n");
});
