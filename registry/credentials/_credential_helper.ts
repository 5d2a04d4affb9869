import { describeError } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { isGranted } from "../../spec/granted.ts";
import { isObject, parseIfJson } from "../../spec/json.ts";
import { TOKEN_USER } from "../credentials.ts";
import type { ImagePullAuth } from "../image_client.ts";
import { eitherSignal, onAbort } from "../tasks/abortable.ts";
import { startTimer } from "../tasks/timer.ts";
import { namedMembers } from "./_credential_file.ts";
import { helperProgram } from "./credential_paths.ts";

const NAME_REGEXP = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const MAX_OUTPUT_BYTES = 64 * 1024;
/** Maximum output of `list`, which names every server. */
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/** Options for running a helper. */
export interface HelperOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CredentialHelperOptions extends HelperOptions {
  /** Called when the helper fails. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called when the permission to run the helper is missing. */
  readonly onSkipped?: ((message: string) => void) | undefined;
}

/**
 * Runs `docker-credential-NAME get` to read the credential of a server: writes the server's name to
 * its stdin and reads JSON. A failure is a warning, not an error, because the image may be public;
 * a missing credential is neither.
 */
export async function runCredentialHelper(
  name: string,
  server: string,
  options: CredentialHelperOptions,
): Promise<ImagePullAuth | undefined> {
  const { timeoutMs, signal, onWarning, onSkipped } = options;
  const program = helperProgram(name);
  const warn = (state: string) => {
    onWarning?.(`Cannot get a credential for "${server}" from "${program}": ${state}`);
    return undefined;
  };
  if (!NAME_REGEXP.test(name)) return warn("its name is invalid");
  if (!isGranted({ name: "run", command: program })) {
    onSkipped?.(`"${program}" was skipped because it needs --allow-run=${program}`);
    return undefined;
  }
  let output: HelperOutput;
  try {
    output = await run(program, "get", `${server}\n`, { timeoutMs, signal });
  } catch (error) {
    signal?.throwIfAborted();
    const obstacle = obstacleOf(error, timeoutMs);
    return warn(obstacle === undefined ? describeError(error) : `it ${obstacle}`);
  }
  if (!output.success) {
    if (isNotFound(output)) return undefined;
    return warn("it failed; run it by hand to see why");
  }
  const auth = parseHelperOutput(output.text);
  if (auth === undefined) return warn("its output is invalid");
  return auth === "none" ? undefined : auth;
}

/** Describes why a helper did not answer; `undefined` for an unexpected error. */
function obstacleOf(error: unknown, timeoutMs: number): string | undefined {
  if (error instanceof Deno.errors.NotFound) return "is not installed";
  const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
  return isTimeout ? `did not answer within ${timeoutMs / 1000} s` : undefined;
}

/**
 * Stores the credential of a server with `docker-credential-NAME store`.
 *
 * @throws {OciError} If the helper is missing or fails.
 */
export async function storeWithHelper(
  name: string,
  server: string,
  { username, secret }: { readonly username: string; readonly secret: string },
  options: HelperOptions,
): Promise<void> {
  const input = JSON.stringify({ ServerURL: server, Username: username, Secret: secret });
  await runOrThrow(name, "store", input, `store the credential for "${server}"`, options);
}

/**
 * Erases the credential of a server with `docker-credential-NAME erase`.
 *
 * @throws {OciError} If the helper is missing or fails.
 */
export async function eraseWithHelper(
  name: string,
  server: string,
  options: HelperOptions,
): Promise<void> {
  await runOrThrow(name, "erase", server, `erase the credential for "${server}"`, options);
}

/**
 * Lists the servers for which `docker-credential-NAME` has a credential.
 *
 * @throws {OciError} If the helper is missing or fails.
 */
export async function listWithHelper(
  name: string,
  options: HelperOptions,
): Promise<readonly string[]> {
  const action = `list the credentials of "${helperProgram(name)}"`;
  const text = await runOrThrow(name, "list", "", action, options);
  const servers = parseIfJson(text || "{}");
  if (isObject(servers)) return Object.keys(servers);
  throw helperError(name, action, "its output is not JSON");
}

/** Runs a helper, and returns its output. */
async function runOrThrow(
  name: string,
  verb: HelperAction,
  input: string,
  action: string,
  { timeoutMs, signal }: HelperOptions,
): Promise<string> {
  const program = helperProgram(name);
  const fail = (problem: string, cause?: unknown) => helperError(name, action, problem, cause);
  if (!NAME_REGEXP.test(name)) throw fail(`"${name}" is not the name of a credential helper`);
  let output: HelperOutput;
  try {
    output = await run(program, verb, input, { timeoutMs, signal });
  } catch (error) {
    signal?.throwIfAborted();
    const obstacle = obstacleOf(error, timeoutMs);
    throw obstacle === undefined ? error : fail(`"${program}" ${obstacle}`, error);
  }
  if (output.success || (verb === "erase" && isNotFound(output))) return output.text;
  // deno-lint-ignore no-control-regex
  const plain = output.text.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim().slice(0, 300);
  throw fail(`"${program}" failed${plain === "" ? "" : `: "${plain}"`}`);
}

function helperError(name: string, action: string, problem: string, cause?: unknown): OciError {
  const subject = helperProgram(name);
  return new OciError(problem, { code: "credential-helper", action, subject, cause });
}

/** Returns whether a helper reports a missing credential, by the message on its stdout. */
function isNotFound({ text }: HelperOutput): boolean {
  return /credentials not found/i.test(text);
}

type HelperAction = "get" | "store" | "erase" | "list";

interface HelperOutput {
  readonly success: boolean;
  readonly text: string;
}

async function run(
  program: string,
  action: HelperAction,
  input: string,
  { timeoutMs, signal }: HelperOptions,
): Promise<HelperOutput> {
  const timeout = new AbortController();
  const expire = () => timeout.abort(new DOMException("The helper timed out", "TimeoutError"));
  using _timer = startTimer(timeoutMs, expire);
  const stop = eitherSignal(signal, timeout.signal);
  stop.throwIfAborted();
  const child = new Deno.Command(program, {
    args: [action],
    // The working directory may be closed to this user, as after "sudo -u".
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // The process has already exited.
    }
  };
  // A grandchild may keep the pipe open after the helper exits, so the signal aborts the read.
  const reader = child.stdout.getReader();
  using _abort = onAbort(stop, () => {
    kill();
    reader.cancel(stop.reason).catch(() => {});
  });
  try {
    await writeInput(child.stdin, input);
    const text = await readText(reader, action === "list" ? MAX_LIST_BYTES : MAX_OUTPUT_BYTES);
    stop.throwIfAborted();
    const { success } = await child.status;
    stop.throwIfAborted();
    return { success, text };
  } finally {
    kill();
    await reader.cancel().catch(() => {});
    await child.status;
  }
}

async function writeInput(stdin: WritableStream<Uint8Array>, input: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // A helper may exit without reading its input.
    await writer.abort().catch(() => {});
  }
}

async function readText(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  while (text.length <= maxBytes) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

/** Parses the output of a helper: the credential, `"none"` if it has none, or `undefined`. */
function parseHelperOutput(text: string): ImagePullAuth | "none" | undefined {
  const value = parseIfJson(text);
  if (!isObject(value)) return undefined;
  const members = namedMembers(value);
  const { username = "", secret = "" } = Object.fromEntries(members);
  if (typeof username !== "string" || typeof secret !== "string") return undefined;
  // Some helpers report a missing credential this way, and exit with 0.
  if (username === "" && secret === "") return "none";
  return username === TOKEN_USER ? { identityToken: secret } : { username, password: secret };
}
