import { readMounts } from "../layer/linux/mount_table.ts";
import { kill, type ProcessResult, runOci } from "../tests/_support/process.ts";
import { makeTempDir, type TempDir } from "../tests/_support/temp.ts";
import { unmountTree } from "../tests/_support/unmount_tree.ts";
import type { Random } from "./random.ts";

/** Thrown by an act if an invariant does not hold. */
export class Broken extends Error {
  override name = "Broken";
}

/** Options for {@linkcode Scene.oci}. */
export interface SceneCommandOptions {
  readonly stdin?: string | Uint8Array | undefined;
  /** Called as soon as the process runs. */
  readonly onStart?: ((child: Deno.ChildProcess) => void) | undefined;
  /**
   * Expected exit codes.
   *
   * @default {[0]}
   */
  readonly codes?: readonly number[] | undefined;
}

/** Options for {@linkcode Scene.open}. */
export interface SceneOptions {
  readonly random: Random;
  /** Number of rounds, for acts that have rounds. */
  readonly rounds: number;
  /** Aborts when the act must end. */
  readonly signal: AbortSignal;
  /** Counts an outcome. */
  readonly count: (outcome: string, times?: number) => void;
}

/** Time after which a command counts as hanging, even on a busy machine. */
const COMMAND_MS = 150_000;
/** Memory beyond which a command counts as unbounded: three times what the largest one needs. */
const MAX_RSS_KIB = 1024 * 1024;
/** Names of errors that show a mistake in the program rather than in its input. */
const MISTAKES = ["TypeError", "ReferenceError", "AssertionError", "BadResource", "InternalError"];

/** Environment of an act: its own directory, processes and random numbers. */
export class Scene implements AsyncDisposable {
  /** Random numbers of this round. */
  readonly random: Random;
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly count: (outcome: string, times?: number) => void;
  readonly #directory: TempDir;
  readonly #children = new Set<Deno.ChildProcess>();
  readonly #resources = new AsyncDisposableStack();

  private constructor(options: SceneOptions, directory: TempDir) {
    this.random = options.random;
    this.rounds = options.rounds;
    this.signal = options.signal;
    this.count = options.count;
    this.#directory = directory;
  }

  /** Creates the directory of a scene. */
  static async open(options: SceneOptions): Promise<Scene> {
    const scene = new Scene(options, await makeTempDir({ large: true }));
    for (const name of ["home", "tmp"]) await Deno.mkdir(scene.path(name));
    return scene;
  }

  /** Returns a path in the directory of the scene. */
  path(...parts: string[]): string {
    return this.#directory.join(...parts);
  }

  /** Directory of the scene's store. */
  get store(): string {
    return this.path("store");
  }

  /**
   * Runs the command line, and checks how it ends: with one of the expected codes, in time, within
   * bounds of memory, without a stack trace, and without an error that reveals a defect.
   */
  async oci(args: readonly string[], options: SceneCommandOptions = {}): Promise<ProcessResult> {
    const { codes = [0] } = options;
    const result = await this.start(args, options);
    const shown = `oci ${args.join(" ")}`.replaceAll(this.path(), "…");
    if (!codes.includes(result.code)) {
      throw new Broken(`${shown}: exit code ${result.code}, not ${codes}\n${shownOutput(result)}`);
    }
    checkOutput(shown, result);
    return result;
  }

  /** Runs the command line, and checks nothing but its time and memory. */
  async start(args: readonly string[], options: SceneCommandOptions = {}): Promise<ProcessResult> {
    const { stdin, onStart } = options;
    this.signal.throwIfAborted();
    let running: Deno.ChildProcess | undefined;
    using meter = new MemoryMeter();
    try {
      const result = await runOci(args, {
        cwd: this.path("home"),
        env: { HOME: this.path("home"), TMPDIR: this.path("tmp"), OCI_STORE: this.store },
        timeoutMs: COMMAND_MS,
        stdin,
        onStart: (child) => {
          running = child;
          this.#children.add(child);
          meter.watch(child.pid);
          onStart?.(child);
        },
      });
      if (meter.maxKib > MAX_RSS_KIB) {
        throw new Broken(`oci ${args.join(" ")} took ${meter.maxKib} KiB of memory`);
      }
      return result;
    } finally {
      if (running !== undefined) this.#children.delete(running);
    }
  }

  /** Disposes of a resource at the end of the scene. */
  own<T extends AsyncDisposable>(resource: T): T {
    return this.#resources.use(resource);
  }

  /** Ends all processes that still run. */
  endProcesses(): void {
    for (const child of this.#children) kill(child, "SIGKILL");
  }

  /** Checks that no temporary file, mount or process is left. */
  async checkLeftovers(): Promise<void> {
    const left = [
      ...await namesIn(this.path("tmp")),
      ...this.mounts(),
      ...await processesIn(this.path()),
    ];
    if (left.length > 0) throw new Broken(`left behind: ${left.join(", ")}`);
  }

  /** Mount points in the directory of the scene. */
  mounts(): readonly string[] {
    if (Deno.build.os !== "linux") return [];
    return readMounts().map(({ target }) => target)
      .filter((target) => target.startsWith(this.path()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endProcesses();
    await this.#resources[Symbol.asyncDispose]();
    // Removal would empty file systems that a failed act left mounted.
    if (this.mounts().length > 0) unmountTree(this.path());
    await this.#directory[Symbol.asyncDispose]();
  }
}

/** Checks that no output shows a defect: a stack trace, or a meaningless error. */
export function checkOutput(what: string, result: ProcessResult): void {
  const { code, stdout, stderr } = result;
  const said = shownOutput(result);
  if (
    /^\s+at .*(?:file:|ext:|node:|\.ts:)\S*:\d+/m.test(stderr) || /panicked|Uncaught/.test(stderr)
  ) {
    throw new Broken(`${what}: a stack trace\n${said}`);
  }
  if (code === 0 || code >= 128) return;
  // "fsck" prints its findings to stdout only.
  if (`${stdout}${stderr}`.trim() === "") {
    throw new Broken(`${what}: exit code ${code} without output`);
  }
  if (!stdout.startsWith('{"error"') && !/^\{\s*"error"/.test(stdout)) return;
  const { error } = JSON.parse(stdout) as { error: { name: string } };
  if (MISTAKES.includes(error.name)) throw new Broken(`${what}: ${error.name}\n${said}`);
}

function shownOutput({ stdout, stderr }: ProcessResult): string {
  return `${stdout.slice(-2000)}${stderr.slice(-4000)}`;
}

/** Returns the names in a directory, sorted; none if it does not exist. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(directory), ({ name }) => name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Returns the processes whose working directory or root is in a directory, such as containers. */
async function processesIn(directory: string): Promise<readonly string[]> {
  if (Deno.build.os !== "linux") return [];
  const found: string[] = [];
  for (const name of await namesIn("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    const places = ["cwd", "root"].map((link) => readLinkIfAny(`/proc/${name}/${link}`));
    if (places.some((place) => place?.startsWith(directory))) found.push(`process ${name}`);
  }
  return found;
}

function readLinkIfAny(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    // The process has ended, or belongs to another user.
    return undefined;
  }
}

/** Measures the peak memory of a process. */
class MemoryMeter implements Disposable {
  maxKib = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  watch(pid: number): void {
    if (Deno.build.os !== "linux") return;
    this.#timer = setInterval(() => {
      try {
        const [, peak = "0"] = /^VmHWM:\s*(\d+) kB/m.exec(
          Deno.readTextFileSync(`/proc/${pid}/status`),
        ) ?? [];
        this.maxKib = Math.max(this.maxKib, Number(peak));
      } catch {
        // The process has ended.
      }
    }, 250);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
