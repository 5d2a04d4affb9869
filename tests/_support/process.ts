import { fromFileUrl, isAbsolute, join } from "@std/path";
import { present } from "../../spec/json.ts";
import { makeTempDir } from "./temp.ts";

/** The project's directory. */
export const ROOT: string = fromFileUrl(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

/** Result of a program. */
export interface ProcessResult {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as bytes. */
  readonly stdoutBytes: Uint8Array<ArrayBuffer>;
}

export interface RunOptions {
  /** Variables in addition to `PATH`; nothing else is inherited, unless `inheritEnv` is set. */
  readonly env?: Readonly<Record<string, string>>;
  /** @default {false} */
  readonly inheritEnv?: boolean;
  readonly cwd?: string | undefined;
  readonly stdin?: string | Uint8Array | undefined;
  /** Ends the program. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Time after which the program is killed and the call fails.
   *
   * @default {240_000}
   */
  readonly timeoutMs?: number | undefined;
  /** Called with the process as soon as it runs, to kill or watch it. */
  readonly onStart?: ((child: Deno.ChildProcess) => void) | undefined;
}

/** Runs a program to its end, without the environment of this process. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const { env = {}, inheritEnv = false, cwd, stdin, signal, timeoutMs = 240_000 } = options;
  const child = new Deno.Command(command, {
    args: [...args],
    clearEnv: !inheritEnv,
    env: { PATH: Deno.env.get("PATH") ?? "", ...env },
    ...present({ cwd, signal }),
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  options.onStart?.(child);
  let hangs = false;
  const timer = setTimeout(() => {
    hangs = true;
    kill(child, "SIGKILL");
  }, timeoutMs);
  const [output] = await Promise.all([
    child.output(),
    stdin === undefined ? undefined : feed(child.stdin, stdin),
  ]);
  clearTimeout(timer);
  const decoder = new TextDecoder();
  if (hangs) {
    throw new Error(
      `${[command, ...args].join(" ")} did not end within ${timeoutMs / 1000} s\n` +
        decoder.decode(output.stdout) + decoder.decode(output.stderr),
    );
  }
  return {
    code: output.code,
    signal: output.signal,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
    stdoutBytes: new Uint8Array(output.stdout),
  };
}

async function feed(stdin: WritableStream<Uint8Array>, input: string | Uint8Array): Promise<void> {
  try {
    await new Blob([typeof input === "string" ? input : new Uint8Array(input)]).stream()
      .pipeTo(stdin);
  } catch {
    // A program need not read all of its input.
  }
}

export interface RunOciOptions extends RunOptions {
  /**
   * Permissions, as flags of `deno run`; reading the modules of the checkout is added.
   *
   * @default {["-A"]}
   */
  readonly permissions?: readonly string[];
  /** Module to run in place of `mod.ts`. */
  readonly module?: string;
}

/**
 * Runs the command line from the checkout, as `deno run -A mod.ts ARGS`. The store and the home
 * directory are empty temporary ones, unless `env` names others.
 */
export async function runOci(
  args: readonly string[],
  options: RunOciOptions = {},
): Promise<ProcessResult> {
  const { permissions = ["-A"], module = join(ROOT, "mod.ts"), env, ...rest } = options;
  await using home = await makeTempDir();
  return await run(
    Deno.execPath(),
    ["run", "--no-prompt", "--quiet", `--config=${join(ROOT, "deno.json")}`]
      .concat(withModules(permissions), module, args),
    {
      cwd: home.path,
      ...rest,
      env: {
        HOME: home.path,
        OCI_STORE: home.join("store"),
        NO_COLOR: "1",
        ...await denoEnvironment(),
        ...env,
      },
    },
  );
}

/** Adds what every command needs in a checkout: Deno reads its modules when they are imported. */
export function withModules(permissions: readonly string[]): readonly string[] {
  const granted = ["-A", "--allow-all", "-R", "--allow-read"];
  return permissions.some((flag) => granted.includes(flag))
    ? permissions
    : [...permissions, `--allow-read=${ROOT}`];
}

let denoDir: Promise<string> | undefined;

/** The variables that let `deno` find its modules with another `HOME`. */
export async function denoEnvironment(): Promise<Readonly<Record<string, string>>> {
  denoDir ??= findDenoDir();
  const inherited = ["npm_config_registry", "NPM_CONFIG_REGISTRY", "NPM_CONFIG_USERCONFIG"]
    .flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value] as const];
    });
  return {
    ...Object.fromEntries(inherited),
    DENO_DIR: await denoDir,
    DENO_NO_UPDATE_CHECK: "1",
    // Tests do not depend on the mirrors of the machine.
    CONTAINERS_REGISTRIES_CONF: "/dev/null",
  };
}

/** Finds the directory of Deno's cache. */
export async function findDenoDir(): Promise<string> {
  // The runner of the tests sets it, so that not every file has to start a process.
  const known = Deno.env.get("DENO_DIR");
  if (known !== undefined && isAbsolute(known)) return known;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
}

/** Sends a signal to a process that may have ended. */
export function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
