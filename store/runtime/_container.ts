import { startTimer } from "../../registry/tasks/timer.ts";
import { isGranted } from "../../spec/granted.ts";
import { isObject, parseIfJson } from "../../spec/json.ts";
import { resolve } from "../../spec/paths.ts";
import { RuntimeError } from "../errors.ts";
import { ifAny, lstatIfAny } from "../host/files.ts";
import { findProgram } from "../host/find_program.ts";
import type { ProgramOutput } from "../host/run_program.ts";
import { describeSystemError } from "../host/system_error.ts";
import {
  callRuntime,
  lockContainer,
  runtimeRoot,
  STATE_PREFIX,
  writeContainerNote,
} from "./container_notes.ts";

interface StartOptions {
  /** Directory of the bundle. */
  readonly bundle: string;
  /** Directory for the runtime's state; by default, a new temporary one. */
  readonly stateDirectory?: string | undefined;
  readonly id: string;
  /** Source of the standard input. */
  readonly stdin: "inherit" | "null" | "piped";
  /** Destination of the standard output. */
  readonly stdout: "inherit" | "piped";
  /** Destination of the standard error. */
  readonly stderr: "inherit" | "piped";
}

/** Time that a runtime may take to exit after its container is killed. */
const KILL_GRACE_MS = 5000;
/** Interval between attempts to kill a container that does not exist yet. */
const KILL_PAUSE_MS = 50;
/**
 * Maximum time until a container executes its program. Some handlers of crun, such as for
 * WebAssembly, never execute one.
 */
const START_MS = 10_000;

interface RuntimeState {
  readonly status?: unknown;
  readonly pid?: unknown;
}

/** A container that a runtime runs in the foreground, with a directory for its state. */
export class Container implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  readonly logPath: string;
  readonly #runtime: string;
  readonly #state: string;
  readonly #lock: Deno.FsFile;
  readonly #id: string;
  /** Whether another program, such as `setsid`, executes the runtime. */
  readonly #hasStarter: boolean;
  readonly #begun = performance.now();
  #isRuntimeExecuted = true;
  #killed: Promise<void> | undefined;

  private constructor(
    runtime: string,
    { state, lock }: { state: string; lock: Deno.FsFile },
    { bundle, id, stdin, stdout, stderr }: StartOptions,
  ) {
    this.#runtime = runtime;
    this.#state = state;
    this.#lock = lock;
    this.#id = id;
    this.logPath = `${state}/log`;
    const note = { state, runtime: runtime.slice(runtime.lastIndexOf("/") + 1), id };
    writeContainerNote(note);
    // crun takes everything before a colon as the kind of the log, unless the kind is given.
    const kind = runtime.endsWith("/crun") && this.logPath.includes(":") ? "file:" : "";
    const args = [
      ...["--root", runtimeRoot(state), "--log", `${kind}${this.logPath}`, "--log-format", "json"],
      ...["run", "--bundle", bundle, id],
    ];
    const setsid = findSetsid(runtime);
    const starters = [...setsid === undefined ? [] : [setsid], ...umaskCommand(setsid)];
    this.#hasStarter = starters.length > 0;
    const [program = runtime, ...words] = [...starters, runtime, ...args];
    this.process = new Deno.Command(program, {
      args: words,
      // A program cannot start in a directory that this user may not enter, as after "sudo -u".
      cwd: "/",
      stdin,
      stdout,
      stderr,
      // Leave the terminal's foreground process group, so that the container receives Ctrl-C only
      // once, from this process.
      detached: setsid === undefined,
    }).spawn();
    try {
      writeContainerNote({ ...note, pid: this.process.pid });
    } catch {
      // The disk is full. Without its PID in the note, the runtime is looked up among all
      // processes.
    }
  }

  /** Starts a runtime that creates and runs a container. */
  static async start(runtime: string, options: StartOptions): Promise<Container> {
    const state = makeStateDir(options.stateDirectory);
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(state, { recursive: true }));
    const lock = stack.use(await lockContainer(state));
    try {
      const container = new Container(runtime, { state, lock }, options);
      stack.move();
      return container;
    } catch (error) {
      throw notExecuted(runtime, error);
    }
  }

  /** Checks that the runtime was executed: another program reports a failure only by an exit code. */
  async checkRuntimeExecuted(code: number): Promise<void> {
    const isUnclear = this.#hasStarter && (code === 126 || code === 127);
    if (!isUnclear || lstatIfAny(this.logPath) !== undefined) return;
    try {
      await this.#call("--version");
    } catch (error) {
      this.#isRuntimeExecuted = false;
      throw notExecuted(this.#runtime, error);
    }
  }

  /**
   * Whether the program of the container has been executed. Before that, a signal would reach the
   * runtime, which is the first process of the container until then.
   */
  async hasExecuted(): Promise<boolean> {
    const { status, pid } = await this.#readState();
    if (status === undefined || status === "creating" || status === "created") return false;
    if (typeof pid !== "number" || performance.now() - this.#begun > START_MS) return true;
    // A runtime reports "running" shortly before the first process executes the program.
    const { hasOnlyForked } = await import("../../layer/linux/process_table.ts");
    return !hasOnlyForked(pid);
  }

  /** Reads the state of the container; empty if it does not exist. */
  async #readState(): Promise<RuntimeState> {
    const state = parseIfJson(await this.#ask("state", this.#id) ?? "");
    return isObject(state) ? state : {};
  }

  /** Sends a signal to the program of the container. */
  async send(name: Deno.Signal): Promise<void> {
    // Call the runtime rather than signal it: crun starts to forward signals only after the program
    // has begun, and until then a signal kills crun.
    const output = await this.#ask("kill", this.#id, name.slice("SIG".length));
    if (output === undefined) this.signalRuntime(name);
  }

  signalRuntime(name: Deno.Signal): void {
    try {
      this.process.kill(name);
    } catch {
      // The runtime has ended.
    }
  }

  /** Kills the container, and then the runtime if it does not exit. */
  async kill(): Promise<void> {
    this.#killed ??= this.#kill();
    await this.#killed;
  }

  async #kill(): Promise<void> {
    // Do not kill the runtime while it creates the container: it would leave cgroups behind that
    // its state does not list yet.
    for (let waited = 0; waited < KILL_GRACE_MS; waited += KILL_PAUSE_MS) {
      const isKilled = await this.#ask("kill", this.#id, "KILL") !== undefined;
      if (await this.#endsWithin(isKilled ? KILL_GRACE_MS : KILL_PAUSE_MS)) return;
      if (isKilled) break;
    }
    this.signalRuntime("SIGKILL");
    await this.process.status;
  }

  async #endsWithin(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<false>();
    using _timer = startTimer(ms, () => resolve(false));
    return await Promise.race([this.process.status, promise]) !== false;
  }

  /** Calls the runtime. Returns its output, or `undefined` if it fails. */
  async #ask(...args: readonly string[]): Promise<string | undefined> {
    try {
      const { success, stdout } = await this.#call(...args);
      return success ? stdout : undefined;
    } catch {
      // No process can be started, or the runtime no longer exists.
      return undefined;
    }
  }

  /** Calls the runtime without a log, which has only messages about the run. */
  async #call(...args: readonly string[]): Promise<ProgramOutput> {
    return await callRuntime(this.#runtime, this.#state, ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _lock = this.#lock;
    await this.#killed;
    // A killed runtime leaves its container behind. One that exited by itself has emptied its state
    // directory, and calling it again would take longer than everything above.
    const isOver = this.#killed === undefined && isEmptyDirectory(runtimeRoot(this.#state));
    if (this.#isRuntimeExecuted && !isOver) {
      await this.#call("delete", "--force", this.#id);
    }
    await Deno.remove(this.#state, { recursive: true });
  }
}

/**
 * Creates a directory for a runtime's state, since an ordinary user may have none under `/run`. It is
 * never in the bundle, where an image could plant a state that names programs to run.
 */
function makeStateDir(directory: string | undefined): string {
  // The runtime has another working directory, and $TMPDIR may be relative.
  if (directory === undefined) return resolve(Deno.makeTempDirSync({ prefix: "oci-run-" }));
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  return resolve(Deno.makeTempDirSync({ dir: directory, prefix: STATE_PREFIX }));
}

/** Whether a directory exists and has no entries. */
function isEmptyDirectory(path: string): boolean {
  return ifAny(() => Deno.readDirSync(path).next().done) ?? false;
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

/** Umask with which other engines start a runtime. */
const USUAL_UMASK = "0022";

/**
 * Returns the command that executes a runtime with the usual umask; empty if the umask is the usual
 * one, or if this process may not start a shell. A runtime creates missing mount points, such as
 * `/etc`, with its umask, and every user of the container must be able to enter them.
 *
 * @param setsid Program that executes the command, if any.
 */
function umaskCommand(setsid: string | undefined): readonly string[] {
  const isAllowed = setsid !== undefined || isGranted({ name: "run", command: SHELL });
  if (!isAllowed || readUmask() === USUAL_UMASK) return [];
  // Deno.umask() needs a permission, and changes the umask of all threads.
  return [SHELL, "-c", `umask ${USUAL_UMASK}; exec "$@"`, "sh"];
}

const SHELL = "/bin/sh";

/** Returns the umask of this process without prompting for a permission; `undefined` if unknown. */
function readUmask(): string | undefined {
  const path = "/proc/self/status";
  if (!isGranted({ name: "read", path })) return undefined;
  try {
    return /^Umask:\t(\d+)$/m.exec(Deno.readTextFileSync(path))?.[1];
  } catch {
    // Deno requires all permissions for this file.
    return undefined;
  }
}

/**
 * Finds `setsid`, which executes a program in a new session.
 *
 * For its option `detached`, Deno forks, which copies its page tables and then each page that it
 * writes to. That takes longer than everything else between a command and its container.
 *
 * @returns The path of `setsid`; `undefined` if it is not installed or may not be run.
 */
function findSetsid(program: string): string | undefined {
  const setsid = findProgram("setsid");
  if (setsid === undefined) return undefined;
  const isAllowed = [setsid, program].every((command) => isGranted({ name: "run", command }));
  return isAllowed ? setsid : undefined;
}
