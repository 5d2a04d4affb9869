import { onAbort } from "../../registry/tasks/abortable.ts";
import { startTimer } from "../../registry/tasks/timer.ts";
import { checkPath, explainedError } from "../../spec/error_facts.ts";
import { checkBundleId } from "../bundle.ts";
import { BundleError } from "../errors.ts";
import { Container } from "./_container.ts";
import { exitCodeOfSignal, forwardSignals } from "./_signal_forwarder.ts";
import { findRuntimes, missingRuntime } from "./find_runtime.ts";

/** A bundle to run. */
export interface RunnableBundle {
  /** Directory of the bundle. */
  readonly path: string;
  /**
   * Directory for the state of containers, which no other user may write to. Removing the bundle
   * ends containers that killed processes left in it.
   *
   * By default, a new temporary directory.
   */
  readonly stateDirectory?: string | undefined;
}

/** Options for {@linkcode runBundle}. */
export interface RunBundleOptions {
  /**
   * Name or path of the runtime.
   *
   * By default, the first of crun, runc and youki that is installed.
   */
  readonly runtime?: string | undefined;
  /**
   * Name of the container.
   *
   * By default, a unique name.
   */
  readonly id?: string | undefined;
  /** Time after which the container is killed, in milliseconds; by default, there is no limit. */
  readonly timeoutMs?: number | undefined;
  /**
   * Whether to forward signals of this process to the container: SIGINT, SIGTERM, SIGHUP, SIGQUIT,
   * SIGUSR1, SIGUSR2 and SIGWINCH. The first four end a container whose program has not begun; its
   * exit code is then 128 plus the signal number. A container that does not end is killed by the
   * third SIGINT or SIGTERM within two seconds.
   *
   * @default {false}
   */
  readonly forwardSignals?: boolean | undefined;
  /** Signal that kills the container; {@linkcode runBundle} then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Standard input of the container: that of this process, nothing, or these bytes.
   *
   * @default {"inherit"}
   */
  readonly stdin?: "inherit" | "null" | Uint8Array | undefined;
  /**
   * Destination of the container's standard output: that of this process, or
   * {@linkcode RunResult.stdout}, which is held in memory.
   *
   * @default {"inherit"}
   */
  readonly stdout?: "inherit" | "piped" | undefined;
  /**
   * Destination of the standard error of the container and the runtime: that of this process,
   * {@linkcode RunResult.stderr}, which is held in memory, or a stream, which stays open.
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
  /** Its standard output if that was piped; empty otherwise. */
  readonly stdout: Uint8Array<ArrayBuffer>;
  /** Its standard error if that was piped; empty otherwise. */
  readonly stderr: Uint8Array<ArrayBuffer>;
}

/** Exit code after SIGKILL. */
const KILLED = 137;

/**
 * Runs a bundle until its container exits, by default with the stdin, stdout and stderr of this
 * process. Removes the container afterwards; the bundle stays.
 *
 * @param bundle The bundle or its directory.
 * @param options Runtime, timeout, standard streams, and forwarding of signals.
 * @returns The exit status.
 * @throws {RuntimeError} If the runtime is not installed or cannot start the container.
 * @throws {BundleError} If the directory does not exist or is not a bundle.
 * @throws {RangeError} If the ID is not a valid name, or `timeoutMs` is not above 0.
 *
 * @example Run a command in an image
 * ```ts no-assert
 * import { withArgs } from "@x/oci/spec";
 * import { type ContentStore, type Image, openBundler, runBundle } from "@x/oci/store";
 *
 * async function exitCode(store: ContentStore, image: Image, command: string): Promise<number> {
 *   const bundler = await openBundler(store);
 *   const options = withArgs(["/bin/sh", "-c", command]);
 *   await using bundle = await bundler.bundle(image, crypto.randomUUID(), options);
 *   return (await runBundle(bundle)).code;
 * }
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
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: `run "${id}"`,
      problem: `"timeoutMs" must be > 0, but it is ${timeoutMs}`,
      option: "timeoutMs",
    });
  }
  const runnable: RunnableBundle = typeof bundle === "string" ? { path: bundle } : bundle;
  const place = { ...runnable, path: realBundlePath(runnable.path) };
  const runtimes = findRuntimes(options.runtime);
  const first = runtimes.next();
  if (first.done) throw missingRuntime(options.runtime);
  for (let runtime = first.value;;) {
    const { log, ...result } = await runOnce(runtime, place, id, options);
    if (log.length === 0) return result;
    const { explainFailure, HYBRID_PROBLEM, isUnsupportedMachine } = await import(
      "./_runtime_log.ts"
    );
    const next = isUnsupportedMachine(log) ? runtimes.next() : undefined;
    if (next === undefined || next.done) throw explainFailure(runtime, log);
    options.onWarning?.(`${runtime} ${HYBRID_PROBLEM}, trying ${next.value}`);
    runtime = next.value;
  }
}

/** Returns the real path of a bundle. Some runtimes exit like a program if it is none. */
function realBundlePath(path: string): string {
  checkPath("run a bundle", path);
  try {
    const real = Deno.realPathSync(path);
    if (Deno.statSync(`${real}/config.json`).isFile) return real;
  } catch (error) {
    const { NotADirectory, NotFound } = Deno.errors;
    if (!(error instanceof NotFound || error instanceof NotADirectory)) throw error;
  }
  throw new BundleError("it has no config.json", path, {
    code: "bundle-unknown",
    action: `run the bundle in "${path}"`,
    advice: "Make a bundle first, and remove it only after its container has ended",
  });
}

/** Runs a container. Its result includes the errors in the log of the runtime. */
async function runOnce(
  runtime: string,
  bundle: RunnableBundle,
  id: string,
  options: RunBundleOptions,
): Promise<RunResult & ContainerEnd> {
  const { stdin = "inherit", stdout = "inherit", stderr = "inherit" } = options;
  let output: Promise<[stdout: Output, stderr: Output, stdin: void]> | undefined;
  let end: ContainerEnd;
  try {
    await using container = await Container.start(runtime, {
      bundle: bundle.path,
      stateDirectory: bundle.stateDirectory,
      id,
      stdin: typeof stdin === "string" ? stdin : "piped",
      stdout,
      stderr: stderr === "inherit" ? "inherit" : "piped",
    });
    const { process } = container;
    output = Promise.all([
      stdout === "piped" ? new Response(process.stdout).bytes() : new Uint8Array(),
      readStderr(process, stderr),
      writeStdin(process, stdin),
    ]);
    // The failure of a stream is thrown below, once the container has ended.
    output.catch(() => {});
    end = await waitForEnd(container, options);
  } finally {
    // The container has been deleted, so the streams end.
    await output;
  }
  const [stdoutBytes, stderrBytes] = await output;
  return { ...end, stdout: stdoutBytes, stderr: stderrBytes };
}

type Output = Uint8Array<ArrayBuffer>;

/** Reads standard error into memory or a stream, unless it is inherited. */
async function readStderr(
  process: Deno.ChildProcess,
  target: "inherit" | "piped" | WritableStream<Uint8Array>,
): Promise<Output> {
  if (target === "piped") return await new Response(process.stderr).bytes();
  if (target !== "inherit") await process.stderr.pipeTo(target, { preventClose: true });
  return new Uint8Array();
}

/** Writes bytes to standard input and closes it, unless it is inherited or nothing. */
async function writeStdin(
  process: Deno.ChildProcess,
  source: "inherit" | "null" | Uint8Array,
): Promise<void> {
  if (typeof source === "string") return;
  // A program may end before it has read everything.
  await ReadableStream.from([source]).pipeTo(process.stdin).catch(() => {});
}

/** Exit code of a container, and the errors in the log of its runtime. */
interface ContainerEnd {
  readonly code: number;
  readonly timedOut: boolean;
  readonly log: readonly string[];
}

/** Waits until a container ends, or kills it after the timeout or an abort. */
async function waitForEnd(
  container: Container,
  { timeoutMs, signal, forwardSignals = false, onStart, onWarning }: RunBundleOptions,
): Promise<ContainerEnd> {
  const kill = () => void container.kill();
  const ending: Ending = { timedOut: false, isInsisted: false, stopped: undefined };
  await using _signals = forwardSignals ? forwardTo(container, ending, onWarning) : undefined;
  onStart?.();
  using _timer = timeoutMs === undefined ? undefined : startTimer(timeoutMs, () => {
    ending.timedOut = true;
    kill();
  });
  using _abort = onAbort(signal, kill);
  const { code } = await container.process.status;
  signal?.throwIfAborted();
  await container.checkRuntimeExecuted(code);
  return await endOf(container, code, ending);
}

/** Reasons to kill a container before its program ends. */
interface Ending {
  timedOut: boolean;
  /** Three requests to end came within two seconds. */
  isInsisted: boolean;
  /** Signal that asked to end before the program had begun. */
  stopped: Deno.Signal | undefined;
}

/** Forwards signals to a container, and kills it if they cannot end it. */
function forwardTo(
  container: Container,
  ending: Ending,
  onWarning: RunBundleOptions["onWarning"],
): AsyncDisposable {
  return forwardSignals(container, {
    onStop: (name) => {
      ending.stopped = name;
      void container.kill();
    },
    onKill: () => {
      const isFirst = !ending.isInsisted && ending.stopped === undefined;
      ending.isInsisted = ending.stopped === undefined;
      void container.kill();
      if (isFirst) onWarning?.("killed the container after the third request to stop it");
    },
  });
}

/** Returns the exit code of an ended container and the errors of its runtime. */
async function endOf(
  container: Container,
  code: number,
  { timedOut, isInsisted, stopped }: Ending,
): Promise<ContainerEnd> {
  const isKilled = timedOut || isInsisted;
  const log = code === 0 || isKilled ? [] : await readLog(container.logPath);
  // The program may have begun and ended before it was killed.
  if (stopped !== undefined && (code === KILLED || log.length > 0)) {
    return { code: exitCodeOfSignal(stopped), timedOut, log: [] };
  }
  return { code: isKilled ? KILLED : code, timedOut, log };
}

/** Reads the errors in a runtime's log. Loaded on demand, since there usually are none. */
async function readLog(path: string): Promise<readonly string[]> {
  const { readRuntimeLog } = await import("./_runtime_log.ts");
  return readRuntimeLog(path);
}
