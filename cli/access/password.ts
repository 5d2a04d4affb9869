import { UsageError } from "../frame/errors.ts";
import { InterruptedError } from "../frame/interruption.ts";
import { printable } from "../terminal/format.ts";
import type { Notices } from "../terminal/notices.ts";

const INTERRUPT = "\x03";
const END_OF_INPUT = "\x04";
const ERASE_LINE = "\x15";

/** Source of the keys for {@linkcode promptPassword}, such as `Deno.stdin`. */
export interface PasswordSource {
  /** Whether somebody can type. */
  isTerminal(): boolean;
  /** Switches the terminal's own editing and echo off, or on. */
  setRaw(mode: boolean): void;
  /** Reads what has been typed. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Ends a read that waits. */
  close(): void;
}

/** Reads a password from standard input to its end; one line end is not part of it. */
export async function readPassword(
  signal: AbortSignal,
  input: ReadableStream<Uint8Array> = Deno.stdin.readable,
): Promise<string> {
  const untilAborted = input.pipeThrough(new TransformStream(), { signal });
  const password = (await new Response(untilAborted).text()).replace(/\r?\n$/, "");
  if (password !== "") return password;
  throw new UsageError(
    'standard input has no password; give it one, as in "--password-stdin < FILE"',
  );
}

/** Options of {@linkcode promptPassword}. */
export interface PromptOptions {
  /** Stops the asking. */
  readonly signal: AbortSignal;
  /** Where the password is typed. */
  readonly source?: PasswordSource | undefined;
}

/**
 * Asks for a password on the terminal, without showing what is typed.
 *
 * @param user Whose password.
 * @param notices Where to ask.
 */
export async function promptPassword(
  user: string,
  notices: Notices,
  options: PromptOptions,
): Promise<string> {
  const { signal, source = Deno.stdin } = options;
  if (!source.isTerminal()) {
    throw new UsageError(
      'there is no terminal to ask for a password on; add "--password-stdin", or give ' +
        '"--user NAME:PASSWORD"',
    );
  }
  const restore = () => {
    source.setRaw(false);
    notices.text("\n");
  };
  const stop = () => {
    restore();
    source.close();
  };
  // Before the question: whoever types at once must not see it either.
  source.setRaw(true);
  signal.addEventListener("abort", stop, { once: true });
  try {
    notices.text(`Password of ${user}: `);
    return await readLine(source);
  } finally {
    signal.removeEventListener("abort", stop);
    if (!signal.aborted) restore();
  }
}

/**
 * Asks for a user name on the terminal.
 *
 * @param registry The registry that it is for.
 * @param notices Where to ask.
 */
export async function promptUser(
  registry: string,
  notices: Notices,
  options: PromptOptions,
): Promise<string> {
  const { signal, source = Deno.stdin } = options;
  if (!source.isTerminal()) {
    throw new UsageError('there is no terminal to ask for a user name on; give "--user NAME"');
  }
  const stop = () => source.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    notices.text(`User name for ${registry}: `);
    const user = (await readLine(source)).trim();
    if (user !== "" && !user.includes(":")) return user;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  throw new UsageError("a user name is not empty and has no colon");
}

/**
 * Asks a question on the terminal that is answered with yes or no.
 *
 * @throws {UsageError} If there is no terminal.
 */
export async function confirm(
  question: string,
  notices: Notices,
  options: PromptOptions,
): Promise<boolean> {
  const { signal, source = Deno.stdin } = options;
  if (!source.isTerminal()) throw new UsageError('there is no terminal to ask on; add "--yes"');
  const stop = () => source.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    notices.text(`${printable(question)} [y/N] `);
    return /^y(es)?$/i.test((await readLine(source)).trim());
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function readLine(source: PasswordSource): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(256);
  let typed: string[] = [];
  while (true) {
    const size = await source.read(buffer);
    if (size === null) return typed.join("");
    for (const key of decoder.decode(buffer.subarray(0, size), { stream: true })) {
      if (key === "\r" || key === "\n" || key === END_OF_INPUT) return typed.join("");
      // A raw terminal passes on as a key what would otherwise be a signal.
      if (key === INTERRUPT) throw new InterruptedError("SIGINT", 130);
      if (key === "\x7f" || key === "\b") typed.pop();
      else if (key === ERASE_LINE) typed = [];
      else typed.push(key);
    }
  }
}
