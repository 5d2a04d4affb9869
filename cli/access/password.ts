import { onAbort } from "../../registry/tasks/abortable.ts";
import { UsageError } from "../frame/errors.ts";
import { InterruptedError } from "../frame/interruption.ts";
import type { Notices } from "../terminal/notices.ts";

const INTERRUPT = "\x03";
const END_OF_INPUT = "\x04";
const ERASE_LINE = "\x15";

/** Maximum length of a password from stdin, in characters. */
const MAX_PASSWORD_LENGTH = 65_536;

/** Source of the keys for {@linkcode promptPassword}, such as `Deno.stdin`. */
export interface PasswordSource {
  isTerminal(): boolean;
  /** Turns raw mode, without line editing and echo, on or off. */
  setRaw(mode: boolean): void;
  /** Reads the typed bytes. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Cancels a pending read. */
  close(): void;
}

/** Reads a password from all of stdin. Removes a trailing newline. */
export async function readPassword(
  signal: AbortSignal,
  input: ReadableStream<Uint8Array> = Deno.stdin.readable,
): Promise<string> {
  const untilAborted = input.pipeThrough(new TransformStream(), { signal });
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of untilAborted) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_PASSWORD_LENGTH) {
      const problem = `the password on stdin is longer than ${MAX_PASSWORD_LENGTH} characters`;
      throw new UsageError(problem, 'Redirect the password, as in "--password-stdin < FILE"');
    }
  }
  const password = (text + decoder.decode()).replace(/\r?\n$/, "");
  if (password !== "") return password;
  throw new UsageError("stdin is empty", 'Redirect the password, as in "--password-stdin < FILE"');
}

export interface PromptOptions {
  readonly signal: AbortSignal;
  readonly source?: PasswordSource | undefined;
}

/**
 * Prompts for a password on the terminal without echo.
 *
 * @throws {UsageError} If there is no terminal.
 */
export async function promptPassword(
  user: string,
  notices: Notices,
  options: PromptOptions,
): Promise<string> {
  const refusal = new UsageError(
    "cannot prompt for a password without a terminal",
    'Add "--password-stdin", or specify "--user NAME:PASSWORD"',
  );
  return await ask(`Password of ${user}:`, notices, { ...options, refusal, isSecret: true });
}

/**
 * Prompts for a user name on the terminal.
 *
 * @throws {UsageError} If there is no terminal, or the answer is not a user name.
 */
export async function promptUser(
  registry: string,
  notices: Notices,
  options: PromptOptions,
): Promise<string> {
  const remedy = 'Specify "--user NAME"';
  const refusal = new UsageError("cannot prompt for a user name without a terminal", remedy);
  const user = (await ask(`User name for ${registry}:`, notices, { ...options, refusal })).trim();
  if (user !== "" && !user.includes(":")) return user;
  throw new UsageError("the user name is empty or contains a colon", remedy);
}

/**
 * Asks a yes-or-no question on the terminal.
 *
 * @throws {UsageError} If there is no terminal.
 */
export async function confirm(
  question: string,
  notices: Notices,
  options: PromptOptions,
): Promise<boolean> {
  const refusal = new UsageError("cannot ask for confirmation without a terminal", 'Add "--yes"');
  const answer = await ask(`${question} [y/N]`, notices, { ...options, refusal });
  return /^y(es)?$/i.test(answer.trim());
}

interface AskOptions extends PromptOptions {
  /** Thrown if there is no terminal. */
  readonly refusal: UsageError;
  /** Whether to hide the typed text. */
  readonly isSecret?: boolean | undefined;
}

/** Shows a prompt and reads a line. */
async function ask(prompt: string, notices: Notices, options: AskOptions): Promise<string> {
  const { signal, source = Deno.stdin, refusal, isSecret = false } = options;
  if (!source.isTerminal()) throw refusal;
  const restore = () => {
    if (isSecret) source.setRaw(false);
    notices.text("\n");
  };
  // Turn echo off before the prompt, so that early keystrokes do not show.
  if (isSecret) source.setRaw(true);
  using _abort = onAbort(signal, () => {
    restore();
    source.close();
  });
  try {
    notices.prompt(prompt);
    return await readLine(source);
  } finally {
    // The terminal does not show the Enter that ends a secret.
    if (isSecret && !signal.aborted) restore();
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
      // A raw terminal delivers signals as keys.
      if (key === INTERRUPT) throw new InterruptedError("SIGINT", 130);
      if (key === "\x7f" || key === "\b") typed.pop();
      else if (key === ERASE_LINE) typed = [];
      else typed.push(key);
    }
  }
}
