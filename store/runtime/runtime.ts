import { describeSystemError } from "../host/system_error.ts";
import { lstatIfAny } from "../host/durable.ts";
import { findRuntimes, findSetsid, missingRuntime } from "../host/find_runtime.ts";
import { lockContainer, runtimeRoot, STATE_PREFIX, writeContainerNote } from "./container_notes.ts";
import { RuntimeError } from "../errors.ts";
import { SignalForwarder } from "./_signal_forwarder.ts";
import { checkBundleId } from "../bundle.ts";

/** A bundle to run. */
export interface RunnableBundle {
  /** Directory of the bundle. */
  readonly path: string;
  /**
   * Directory for the runtime's state of the container, where no other user may write. Removing the
   * bundle ends containers that a killed process has left there.
   *
   * @default A new temporary directory.
   */
  readonly stateDirectory?: string | undefined;
}

/** Options for {@linkcode runBundle}. */
export interface RunBundleOptions {
  /**
   * Name or path of the runtime.
   *
   * @default The first of crun, runc and youki that is installed.
   */
  readonly runtime?: string | undefined;
  /**
   * Name of the container.
   *
   * @default A unique name.
   */
  readonly id?: string | undefined;
  /** Time after which the container is killed, in milliseconds; by default, there is no limit. */
  readonly timeoutMs?: number | undefined;
  /**
   * Whether to forward signals of this process to the container: SIGINT, SIGTERM, SIGHUP, SIGQUIT,
   * SIGUSR1, SIGUSR2 and SIGWINCH. A container that does not end is killed by the third SIGINT or
   * SIGTERM within two seconds.
   *
   * @default {false}
   */
  readonly forwardSignals?: boolean | undefined;
  /** Signal that kills the container; {@linkcode runBundle} then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether the standard output of the container is that of this process, or
   * {@linkcode RunResult.stdout}, which is held in memory.
   *
   * @default {"inherit"}
   */
  readonly stdout?: "inherit" | "piped" | undefined;
  /**
   * Destination of the standard error of the container and the runtime: that of this process,
   * {@linkcode RunResult.stderr}, which is held in memory, or a stream, which is not closed.
   *
   * @default {"inherit"}
   */
  readonly stderr?: "inherit" | "piped" | WritableStream<Uint8Array> | undefined;
  /** Called when the container has been started and signals are forwarded. */
  readonly onStart?: (() => void) | undefined;
  /** Called when a runtime does not work on this machine and the next one is tried. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Exit status of a container. */
export interface RunResult {
  /** Exit code of its program, or 128 plus the signal number if a signal ended it. */
  readonly code: number;
  /** Whether it was killed by the timeout. */
  readonly timedOut: boolean;
  /** What it wrote to its standard output, if that was piped; empty otherwise. */
  readonly stdout: Uint8Array<ArrayBuffer>;
  /** What it wrote to its standard error, if that was piped; empty otherwise. */
  readonly stderr: Uint8Array<ArrayBuffer>;
}

/** Time that a runtime may take to exit after its container was killed. */
const KILL_GRACE_MS = 5000;
/** Interval between attempts to kill a container that does not exist yet. */
const KILL_PAUSE_MS = 50;
/** Maximum delay of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Exit code after SIGKILL. */
const KILLED = 137;

/**
 * Runs a bundle until its container exits, with the stdin, stdout and stderr of this process.
 * Removes the container afterwards; the bundle stays.
 *
 * @param bundle The bundle or its directory.
 * @param options Runtime, timeout, and forwarding of signals.
 * @returns The exit status.
 * @throws {RuntimeError} If the runtime is not installed or cannot start the container.
 *
 * @example Handle a missing runtime
 * ```ts
 * import { runBundle, RuntimeError } from "@x/oci/store";
 * import { assertRejects } from "@std/assert";
 *
 * const bundle = await Deno.makeTempDir();
 *
 * await assertRejects(() => runBundle(bundle, { runtime: "no-such-runtime" }), RuntimeError);
 * await Deno.remove(bundle);
 * ```
 */
export async function runBundle(
  bundle: RunnableBundle | string,
  options: RunBundleOptions = {},
): Promise<RunResult> {
  const { id = `oci-${crypto.randomUUID().slice(0, 8)}`, timeoutMs, signal } = options;
  signal?.throwIfAborted();
  checkBundleId(id);
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new RangeError(
      `Cannot run "${id}" as "timeoutMs" must be more than 0: current value is ${timeoutMs}`,
    );
  }
  const runnable: RunnableBundle = typeof bundle === "string" ? { path: bundle } : bundle;
  const place = { ...runnable, path: realPath(runnable.path) };
  const runtimes = findRuntimes(options.runtime);
  const first = runtimes.next();
  if (first.done) throw missingRuntime(options.runtime);
  for (let runtime = first.value;;) {
    const { result, log } = await runOnce(runtime, place, id, options);
    if (log.length === 0) return result;
    const { explainFailure, isRefusedMachine } = await import("./_runtime_log.ts");
    const next = isRefusedMachine(log) ? runtimes.next() : undefined;
    if (next === undefined || next.done) throw explainFailure(runtime, log);
    options.onWarning?.(
      `${runtime} does not work on this machine, trying ${next.value}: ${log.at(-1)}`,
    );
    runtime = next.value;
  }
}

function realPath(path: string): string {
  return Deno.realPathSync(path);
}

async function runOnce(
  runtime: string,
  bundle: RunnableBundle,
  id: string,
  options: RunBundleOptions,
): Promise<{ readonly result: RunResult; readonly log: readonly string[] }> {
  let output: Promise<[stdout: Output, stderr: Output]> | undefined;
  try {
    const { code, timedOut, log } = await runContainer(runtime, bundle, id, options, (process) => {
      output = Promise.all([
        options.stdout === "piped" ? new Response(process.stdout).bytes() : new Uint8Array(),
        readStderr(process, options.stderr),
      ]);
    });
    const [stdout, stderr] = await output ?? [new Uint8Array(), new Uint8Array()];
    return { result: { code, timedOut, stdout, stderr }, log };
  } finally {
    // The container has been deleted, so nothing writes anymore.
    await output;
  }
}

type Output = Uint8Array<ArrayBuffer>;

/** Reads standard error into memory or a stream, unless the process inherits that of this one. */
async function readStderr(
  process: Deno.ChildProcess,
  target: RunBundleOptions["stderr"] = "inherit",
): Promise<Output> {
  if (target === "piped") return await new Response(process.stderr).bytes();
  if (target !== "inherit") await process.stderr.pipeTo(target, { preventClose: true });
  return new Uint8Array();
}

async function runContainer(
  runtime: string,
  bundle: RunnableBundle,
  id: string,
  options: RunBundleOptions,
  onSpawn: (process: Deno.ChildProcess) => void,
): Promise<{ readonly code: number; readonly timedOut: boolean; readonly log: readonly string[] }> {
  const { timeoutMs, signal } = options;
  await using container = await Container.start(runtime, bundle, id, options);
  onSpawn(container.process);
  const kill = () => void container.kill();
  let isInsisted = false;
  using _signals = options.forwardSignals
    ? new SignalForwarder(container.process, () => {
      if (!isInsisted) {
        options.onWarning?.("the container was killed after a second request to end");
      }
      isInsisted = true;
      kill();
    })
    : undefined;
  options.onStart?.();
  let timedOut = false;
  using _timer = timeoutMs === undefined ? undefined : startTimer(timeoutMs, () => {
    timedOut = true;
    kill();
  });
  signal?.addEventListener("abort", kill, { once: true });
  // It may have been aborted while the runtime was started.
  if (signal?.aborted) kill();
  try {
    const { code } = await container.process.status;
    signal?.throwIfAborted();
    await container.checkExecuted(code);
    const isKilled = timedOut || isInsisted;
    const log = code === 0 || isKilled ? [] : await readLog(container.logPath);
    return { code: isKilled ? KILLED : code, timedOut, log };
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

/** Reads the errors in the log of a runtime, which mostly has none. */
async function readLog(path: string): Promise<readonly string[]> {
  const { readRuntimeLog } = await import("./_runtime_log.ts");
  return await readRuntimeLog(path);
}

/** A timer for times beyond the maximum of `setTimeout()`, which would fire at once. */
function startTimer(ms: number, onTime: () => void): Disposable {
  let timer: ReturnType<typeof setTimeout>;
  const start = (left: number) => {
    const next = Math.min(left, MAX_TIMER_MS);
    timer = setTimeout(() => left > next ? start(left - next) : onTime(), next);
  };
  start(ms);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/**
 * Makes a directory for the state of a runtime: an ordinary user need not have one under `/run`. It
 * is never in the bundle, where an image may have put a state that names programs to run.
 */
function makeStateDir(directory: string | undefined): string {
  if (directory === undefined) return Deno.makeTempDirSync({ prefix: "oci-run-" });
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  return Deno.makeTempDirSync({ dir: directory, prefix: STATE_PREFIX });
}

/** Whether a directory exists and has no entries. */
function isEmptyDirectory(path: string): boolean {
  try {
    for (const _ of Deno.readDirSync(path)) return false;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A container that a runtime runs in the foreground, with a directory for its state. */
class Container implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  readonly logPath: string;
  readonly #runtime: string;
  readonly #state: string;
  readonly #lock: Deno.FsFile;
  readonly #id: string;
  readonly #setsid: string | undefined;
  #isExecuted = true;
  #killed: Promise<void> | undefined;

  private constructor(
    runtime: string,
    bundle: string,
    { state, lock, id }: { state: string; lock: Deno.FsFile; id: string },
    { stdout = "inherit", stderr = "inherit" }: RunBundleOptions,
  ) {
    this.#runtime = runtime;
    this.#state = state;
    this.#lock = lock;
    this.#id = id;
    this.logPath = `${state}/log`;
    const note = { state, runtime: runtime.slice(runtime.lastIndexOf("/") + 1), id };
    writeContainerNote(note);
    const args = [...this.#globalArgs(), "run", "--bundle", bundle, id];
    const setsid = this.#setsid = findSetsid(runtime);
    this.process = new Deno.Command(setsid ?? runtime, {
      args: setsid === undefined ? args : [runtime, ...args],
      stdin: "inherit",
      stdout,
      stderr: stderr === "inherit" ? "inherit" : "piped",
      // Outside the terminal's process group, so that Ctrl-C arrives only once, forwarded.
      detached: setsid === undefined,
    }).spawn();
    writeContainerNote({ ...note, pid: this.process.pid });
  }

  static async start(
    runtime: string,
    bundle: RunnableBundle,
    id: string,
    options: RunBundleOptions,
  ): Promise<Container> {
    const state = makeStateDir(bundle.stateDirectory);
    const lock = await lockContainer(state);
    try {
      return new Container(runtime, bundle.path, { state, lock, id }, options);
    } catch (error) {
      lock.close();
      await Deno.remove(state, { recursive: true });
      throw notExecuted(runtime, error);
    }
  }

  /** Checks that the runtime was executed, since `setsid` only has exit codes to tell. */
  async checkExecuted(code: number): Promise<void> {
    const isUnclear = this.#setsid !== undefined && (code === 126 || code === 127);
    if (!isUnclear || lstatIfAny(this.logPath) !== undefined) return;
    try {
      await this.#call("--version");
    } catch (error) {
      this.#isExecuted = false;
      throw notExecuted(this.#runtime, error);
    }
  }

  #globalArgs(): string[] {
    const root = runtimeRoot(this.#state);
    // crun reads a prefix with a colon as the kind of the log, unless the kind is given.
    const kind = this.#runtime.endsWith("/crun") && this.logPath.includes(":") ? "file:" : "";
    return ["--root", root, "--log", `${kind}${this.logPath}`, "--log-format", "json"];
  }

  /** Kills the container, and the runtime if that does not end it. */
  async kill(): Promise<void> {
    this.#killed ??= this.#kill();
    await this.#killed;
  }

  async #kill(): Promise<void> {
    // A runtime that is killed while it makes the container leaves control groups behind that are
    // not in its state yet.
    for (let waited = 0; waited < KILL_GRACE_MS; waited += KILL_PAUSE_MS) {
      const isKilled = await this.#call("kill", this.#id, "KILL");
      if (await this.#endsWithin(isKilled ? KILL_GRACE_MS : KILL_PAUSE_MS)) return;
      if (isKilled) break;
    }
    try {
      this.process.kill("SIGKILL");
    } catch {
      // The container has ended meanwhile.
    }
    await this.process.status;
  }

  async #endsWithin(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<false>();
    const timer = setTimeout(() => resolve(false), ms);
    const isEnded = await Promise.race([this.process.status, promise]) !== false;
    clearTimeout(timer);
    return isEnded;
  }

  /** Calls the runtime for the container; returns whether it succeeded. */
  async #call(...args: readonly string[]): Promise<boolean> {
    const { success } = await new Deno.Command(this.#runtime, {
      args: [...this.#globalArgs(), ...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#killed;
    // A killed runtime leaves its container behind. A runtime that exited has emptied its
    // directory, and calling it again would take longer than everything above.
    const isOver = this.#killed === undefined && isEmptyDirectory(runtimeRoot(this.#state));
    if (this.#isExecuted && !isOver) {
      await this.#call("delete", "--force", this.#id);
    }
    await Deno.remove(this.#state, { recursive: true });
    this.#lock.close();
  }
}

function notExecuted(runtime: string, cause: unknown): RuntimeError {
  return new RuntimeError(describeSystemError(cause), runtime, [], {
    code: "runtime-failed",
    action: `run ${runtime}`,
    advice: cause instanceof Deno.errors.NotCapable
      ? `Grant --allow-run=${runtime}`
      : "Check that it is a program for this machine",
    cause,
  });
}
