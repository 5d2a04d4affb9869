import { join } from "@std/path";
import { concat, writeAll } from "./bytes.ts";
import type { SessionCall } from "./oci_session_main.ts";
import {
  denoEnvironment,
  kill,
  type ProcessResult,
  ROOT,
  runOci,
  type RunOciOptions,
} from "./process.ts";
import { makeTempDir } from "./temp.ts";

/** Time after which a command line counts as hanging. */
const TIMEOUT_MS = 240_000;

/** Path of the module that a session runs, in the checkout. */
export const SESSION_MODULE = "tests/_support/oci_session_main.ts";

/**
 * Runs the command lines of a test file, or of a group of them, in one process, in the order of the
 * calls. A process for each would take several times as long. A call with options other than `env`
 * and `cwd` starts a process.
 *
 * For commands that do not change the state of the process.
 *
 * @returns The function that runs a command line, like `runOci()`.
 */
export function ociSession(): typeof runOci {
  return shared ??= startWithTests();
}

/** What all files of a worker share. */
let shared: typeof runOci | undefined;

/** Starts a session before the first test, and ends it after the last one. */
function startWithTests(): typeof runOci {
  let session: OciSession | undefined;
  Deno.test.beforeAll(async () => {
    const flags = ["-A", "--quiet", `--config=${join(ROOT, "deno.json")}`];
    const command = [Deno.execPath(), "run", ...flags, join(ROOT, SESSION_MODULE)];
    session = await OciSession.start(command, await denoEnvironment());
  });
  Deno.test.afterAll(async () => await session?.[Symbol.asyncDispose]());
  return async (args, options = {}) => {
    const { env, cwd, ...others } = options;
    if (session === undefined || Object.values(others).some((value) => value !== undefined)) {
      return await runOci(args, options);
    }
    await using home = await makeTempDir();
    return await session.run(args, {
      cwd: cwd ?? home.path,
      env: { HOME: home.path, OCI_STORE: home.join("store"), NO_COLOR: "1", ...env },
    });
  };
}

/** A process that runs command lines one after another. Disposing of it ends it. */
export class OciSession implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #connection: Deno.TcpConn;
  readonly #env: Readonly<Record<string, string>>;
  readonly #stdout: Output;
  readonly #stderr: Output;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    process: Deno.ChildProcess,
    connection: Deno.TcpConn,
    env: Readonly<Record<string, string>>,
  ) {
    this.#process = process;
    this.#connection = connection;
    this.#env = env;
    this.#stdout = new Output(process.stdout);
    this.#stderr = new Output(process.stderr);
  }

  /**
   * Starts the process.
   *
   * @param command Command that runs {@linkcode SESSION_MODULE}, without its argument.
   * @param env Environment of all command lines, in addition to `PATH`.
   */
  static async start(
    [program = "", ...args]: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<OciSession> {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const all = { PATH: Deno.env.get("PATH") ?? "", ...env };
    const process = new Deno.Command(program, {
      args: [...args, String(listener.addr.port)],
      clearEnv: true,
      env: all,
      cwd: "/",
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const failed = process.status.then(async () => {
      await process.stdout.cancel();
      throw new Error(`Cannot start the session: ${await process.stderr.text()}`);
    });
    const connection = await Promise.race([listener.accept(), failed]);
    failed.catch(() => {});
    return new OciSession(process, connection, all);
  }

  /** Runs a command line after all earlier ones. */
  run(
    args: readonly string[],
    { env, cwd = "/" }: Pick<RunOciOptions, "env" | "cwd"> = {},
  ): Promise<ProcessResult> {
    const result = this.#last.then(async () => {
      const mark = crypto.randomUUID();
      const call: SessionCall = { mark, args, env: { ...this.#env, ...env }, cwd };
      await writeAll(this.#connection, `${JSON.stringify(call)}\n`);
      const timer = setTimeout(() => kill(this.#process, "SIGKILL"), TIMEOUT_MS);
      const [stdout, stderr] = await Promise.all([
        this.#stdout.until(mark),
        this.#stderr.until(mark),
      ]).finally(() => clearTimeout(timer));
      const decoder = new TextDecoder();
      return {
        code: Number(stderr.note),
        signal: null,
        stdout: decoder.decode(stdout.bytes),
        stderr: decoder.decode(stderr.bytes),
        stdoutBytes: stdout.bytes,
      };
    });
    this.#last = result.catch(() => {});
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close();
    await Promise.all([this.#process.status, this.#stdout.cancel(), this.#stderr.cancel()]);
  }
}

/** Number of last characters to search, which is more than a mark and its note have. */
const TAIL = 64;

/** The output of several command lines. Reads on demand, so that no read outlives a test. */
class Output {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.getReader();
  }

  /** Reads the bytes before a mark, and the note after it, with which the output ends. */
  async until(
    mark: string,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly note: string }> {
    const end = new RegExp(`${mark}([0-9]*)\\.$`);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let tail = "";
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) throw new Error("Cannot run a command line: the session has ended");
      chunks.push(value);
      tail = (tail + new TextDecoder("latin1").decode(value.subarray(-TAIL))).slice(-TAIL);
      const found = end.exec(tail);
      if (found === null) continue;
      const bytes = concat(...chunks);
      return { bytes: bytes.slice(0, bytes.length - found[0].length), note: found[1] ?? "" };
    }
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}
