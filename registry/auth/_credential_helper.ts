import type { ImagePullAuth } from "../image_client.ts";

const NAME_REGEXP = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const MAX_OUTPUT_BYTES = 64 * 1024;

/** Options of {@linkcode runCredentialHelper}. */
export interface CredentialHelperOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Is told why there is no credential although the helper should have been able to give one. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Is told that the helper may not be run. */
  readonly onSkipped?: ((message: string) => void) | undefined;
}

/**
 * Asks `docker-credential-NAME get` for the credential of a server: the server's name goes to
 * its standard input, JSON comes out. Whatever goes wrong is a warning, not an error, as the
 * image may be public; that there is no credential is neither.
 */
export async function runCredentialHelper(
  name: string,
  server: string,
  options: CredentialHelperOptions,
): Promise<ImagePullAuth | undefined> {
  const { timeoutMs, signal, onWarning, onSkipped } = options;
  const program = `docker-credential-${name}`;
  const warn = (state: string) => {
    onWarning?.(`Cannot get a credential for "${server}" from "${program}": ${state}`);
    return undefined;
  };
  if (!NAME_REGEXP.test(name)) return warn("its name is not that of a program");
  const permission = await Deno.permissions.query({ name: "run", command: program });
  if (permission.state !== "granted") {
    onSkipped?.(`"${program}" was not asked as it needs --allow-run=${program}`);
    return undefined;
  }
  let output: HelperOutput;
  try {
    output = await run(program, server, AbortSignal.timeout(timeoutMs), signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Deno.errors.NotFound) return warn("it is not installed");
    if (error instanceof DOMException && error.name === "TimeoutError") {
      return warn(`it did not answer within ${timeoutMs / 1000} s`);
    }
    return warn(error instanceof Error ? error.message : String(error));
  }
  if (!output.success) {
    // Every helper says so in these words, on standard output.
    if (/credentials not found/i.test(output.text)) return undefined;
    return warn("it failed; run it by hand to see why");
  }
  return parseHelperOutput(output.text) ?? warn("its answer is not understood");
}

interface HelperOutput {
  readonly success: boolean;
  readonly text: string;
}

async function run(
  program: string,
  server: string,
  timeout: AbortSignal,
  signal: AbortSignal | undefined,
): Promise<HelperOutput> {
  const stop = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
  const child = new Deno.Command(program, {
    args: ["get"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  // A grandchild may keep the pipe open after the helper is dead: reading ends by the signal.
  const reader = child.stdout.getReader();
  const abort = () => {
    kill();
    reader.cancel(stop.reason).catch(() => {});
  };
  stop.addEventListener("abort", abort, { once: true });
  try {
    await writeServer(child.stdin, server);
    const text = await readText(reader);
    stop.throwIfAborted();
    const { success } = await child.status;
    stop.throwIfAborted();
    return { success, text };
  } finally {
    stop.removeEventListener("abort", abort);
    kill();
    await reader.cancel().catch(() => {});
    await child.status;
  }
}

async function writeServer(stdin: WritableStream<Uint8Array>, server: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(`${server}\n`));
    await writer.close();
  } catch {
    // A helper may answer without reading.
    await writer.abort().catch(() => {});
  }
}

async function readText(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  while (text.length <= MAX_OUTPUT_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

function parseHelperOutput(text: string): ImagePullAuth | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { Username: username, Secret: secret } = (value ?? {}) as Record<string, unknown>;
  if (typeof username !== "string" || typeof secret !== "string") return undefined;
  // The protocol of the helpers marks an identity token by this user name.
  return username === "<token>" ? { identityToken: secret } : { username, password: secret };
}
