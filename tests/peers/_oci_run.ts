import { join } from "@std/path";
import { buildImage } from "../_support/image.ts";
import { OciSession, SESSION_MODULE } from "../_support/oci_session.ts";
import { programPath, runPeer, writeLayout } from "../_support/peers.ts";
import {
  denoEnvironment,
  type ProcessResult,
  ROOT,
  run,
  type RunOptions,
} from "../_support/process.ts";
import { dir, file, symlink, tar } from "../_support/tar.ts";
import { makeTempDir, type TempDir } from "../_support/temp.ts";
import { installForUser, type UserInstall } from "../_support/user_install.ts";
import { ordinaryId } from "./_container.ts";

/** Programs of this machine that the image has. */
export const PROGRAMS: readonly string[] = ["dash", "cat", "id", "sleep", "stat"];

/** The user of the containers, with a private group and two others. */
const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
  "etc/group": "root:x:0:\naudio:x:29:app\nvideo:x:44:app\napp:x:1000:\n",
  "etc/os-release": 'ID=oci-test\nPRETTY_NAME="Test"\n',
};

/** An image with a few programs, in a layout that `oci` reads, for one user. */
export interface RunPlace extends AsyncDisposable {
  /** The reference of the image whose user is root. */
  readonly root: string;
  /** The reference of the image whose user is `app:app`. */
  readonly app: string;
  /** The reference of the image whose user is `app`, without a group. */
  readonly groups: string;
  /** Runs the command line as the user. */
  readonly oci: (args: readonly string[], options?: OciOptions) => Promise<ProcessResult>;
  /** Starts a process of the user for several command lines without stdin. */
  readonly session: () => Promise<OciSession>;
  /** Starts the command line as the user; the caller reads its output. */
  readonly start: (args: readonly string[]) => Deno.ChildProcess;
  /** The directory that the bundles are in. */
  readonly containers: string;
  /** Bundles and mounts left behind by the runs. */
  readonly left: () => Promise<readonly string[]>;
}

/** Options for running the command line. */
export interface OciOptions extends RunOptions {
  /** Whether it is root of its own user namespace. */
  readonly namespace?: boolean;
}

/** Makes the image and a store for it. */
export async function makeRunPlace(owner: number): Promise<RunPlace> {
  const directory = await makeTempDir({ large: true });
  const layout = directory.join("layout");
  images ??= buildImages();
  await writeLayout(layout, await images);
  const { deno, checkout, env } = await prepareOwner(directory, owner);
  const command = [...deno, join(checkout, "mod.ts")];
  return {
    root: `oci:${layout}:root`,
    app: `oci:${layout}:app`,
    groups: `oci:${layout}:groups`,
    oci: async (args, { namespace = false, ...options } = {}) => {
      const [program = "", ...rest] = commandOf(owner, [...command, ...args], namespace);
      return await run(program, rest, { cwd: "/", ...options, env });
    },
    session: () => {
      const words = commandOf(owner, [...deno, join(checkout, SESSION_MODULE)], false);
      return OciSession.start(words, env);
    },
    start: (args) => {
      const [program = "", ...rest] = commandOf(owner, [...command, ...args], false);
      return new Deno.Command(program, {
        args: rest,
        env,
        cwd: "/",
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    },
    containers: directory.join("store", "containers"),
    left: () => leftIn(directory),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** The images, which take long to compress, for all directories. */
let images: ReturnType<typeof buildImages> | undefined;

async function buildImages() {
  const layers = [await programLayer(), tar(dir("etc"), ...Object.entries(FILES).map(textFile))];
  const root = buildImage({ layers, config: { Cmd: ["/bin/sh"] } });
  const same = root.layers.map(({ tar, bytes }) => ({ tar, blob: bytes }));
  const image = (User: string) => buildImage({ layers: same, config: { Cmd: ["/bin/sh"], User } });
  return { root, app: image("app:app"), groups: image("app") };
}

async function leftIn(directory: TempDir): Promise<readonly string[]> {
  const left: string[] = [];
  for (const name of ["containers", "bundles"]) {
    const path = directory.join("store", name);
    for await (const { name } of Deno.readDir(path)) left.push(name);
  }
  const table = await Deno.readTextFile("/proc/self/mountinfo");
  return [...left, ...table.split("\n").filter((line) => line.includes(directory.path))];
}

function textFile([name, text]: readonly [string, string]): Uint8Array {
  return file(name, text);
}

async function programLayer(): Promise<Uint8Array> {
  const files = new Map<string, string>();
  for (const program of PROGRAMS) {
    const path = programPath(program) ?? program;
    files.set(`bin/${program}`, path);
    const { stdout } = await runPeer("ldd", [path]);
    for (const [library] of stdout.matchAll(/\/\S+/g)) files.set(library.slice(1), library);
  }
  const directories = new Set(["proc", "sys", "dev", "tmp", "root", "home"]);
  for (const path of files.keys()) {
    path.split("/").slice(0, -1).forEach((_, i, parts) => {
      directories.add(parts.slice(0, i + 1).join("/"));
    });
  }
  const entries = [...files].map(async ([name, path]) =>
    file(name, await Deno.readFile(path), { mode: 0o755 })
  );
  return tar(
    ...[...directories].sort().map((path) => dir(path)),
    ...await Promise.all(entries),
    symlink("bin/sh", "dash"),
  );
}

/** The command line for a user, who gets the directory. */
async function prepareOwner(directory: TempDir, owner: number): Promise<UserInstall> {
  await Deno.chmod(directory.path, 0o755);
  const env = { HOME: directory.path, OCI_STORE: directory.join("store") };
  if (owner !== Deno.uid()) {
    const install = await installForUser(directory.path, owner, [SESSION_MODULE]);
    return { ...install, env: { ...install.env, ...env } };
  }
  return {
    deno: [Deno.execPath(), "run", "-A", "--quiet", `--config=${join(ROOT, "deno.json")}`],
    checkout: ROOT,
    env: { ...await denoEnvironment(), ...env },
  };
}

// crun refuses a machine that has both versions of control groups; they differ in a mount namespace
// of the command's own.
const HIDE_SECOND = 'if [ "$(stat -fc %T /sys/fs/cgroup)" = tmpfs ]; then ' +
  'umount /sys/fs/cgroup/unified 2>/dev/null; fi; exec "$@"';

function commandOf(
  owner: number,
  command: readonly string[],
  namespace: boolean,
): string[] {
  return [
    ...Deno.uid() === 0 ? ["unshare", "-m", "sh", "-c", HIDE_SECOND, "sh"] : [],
    ...owner === Deno.uid() ? [] : [
      "setpriv",
      `--reuid=${owner}`,
      `--regid=${owner}`,
      "--clear-groups",
      "--bounding-set=-all",
    ],
    ...namespace ? ["unshare", "-Urm"] : [],
    ...command,
  ];
}

/** Users who run containers in the tests: root if possible, and an ordinary user. */
export function owners(): readonly number[] {
  return Deno.uid() === 0 ? [0, ordinaryId()] : [ordinaryId()];
}
