import { dirname, join } from "@std/path";
import { formatSpec, type RuntimeSpec } from "../../spec/mod.ts";
import { readCgroupHierarchy } from "../../store/runtime/cgroup_hierarchy.ts";
import { programPath, runPeer } from "../_support/peers.ts";
import { type ProcessResult, run } from "../_support/process.ts";
import { makeTempDir, type TempDir } from "../_support/temp.ts";

/** The programs in the root file system of {@linkcode makeBundle}. */
export const PROGRAMS: readonly string[] = [
  "dash",
  "cat",
  "id",
  "ls",
  "readlink",
  "touch",
  "true",
  "unshare",
];

/** ID of an ordinary user if the tests run as root. */
const ORDINARY_ID = 4242;

/** The ordinary user that runs containers. */
export function ordinaryId(): number {
  return Deno.uid() || ORDINARY_ID;
}

/** Makes a bundle whose root file system has a few programs of this machine. */
export async function makeBundle(owner: number): Promise<TempDir> {
  const bundle = await makeTempDir({ large: true });
  const rootfs = bundle.join("rootfs");
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp"]) {
    await Deno.mkdir(join(rootfs, name), { recursive: true });
  }
  for (const program of PROGRAMS) {
    const path = programPath(program) ?? program;
    await Deno.copyFile(path, join(rootfs, "bin", program));
    const { stdout } = await runPeer("ldd", [path]);
    for (const [library] of stdout.matchAll(/\/\S+/g)) {
      await Deno.mkdir(dirname(rootfs + library), { recursive: true });
      await Deno.copyFile(library, rootfs + library);
    }
  }
  await Deno.symlink("dash", join(rootfs, "bin/sh"));
  await Deno.chmod(bundle.path, 0o755);
  await runPeer("chown", ["-R", `${owner}:${owner}`, bundle.path]);
  return bundle;
}

/** Options for {@linkcode runContainer}. */
export interface RunContainerOptions {
  /** The runtime: `crun` or `runc`. */
  readonly runtime: string;
  /** The user that runs it; 0 for root. */
  readonly owner: number;
  readonly stdin?: string;
}

/** Runs a container of a bundle to its end. */
export async function runContainer(
  bundle: TempDir,
  spec: RuntimeSpec,
  options: RunContainerOptions,
): Promise<ProcessResult> {
  const { runtime, owner, stdin } = options;
  await Deno.writeTextFile(bundle.join("config.json"), formatSpec(spec));
  const program = programPath(runtime) ?? runtime;
  const state = bundle.join("state");
  const command = [program, "--root", state, "run", "--bundle", bundle.path, crypto.randomUUID()];
  const asOwner = owner === Deno.uid() ? command : [
    ...["setpriv", `--reuid=${owner}`, `--regid=${owner}`, "--clear-groups"],
    ...["--inh-caps=-all", "--bounding-set=-all"],
    ...command,
  ];
  const [first = "", ...rest] = Deno.uid() === 0 ? [...WITHOUT_HYBRID, ...asOwner] : asOwner;
  return await run(first, rest, {
    env: { HOME: bundle.path },
    stdin,
  });
}

// crun refuses a machine that has both versions of control groups. The second one is taken away in
// a mount namespace of the runtime's own.
const HIDE_SECOND = 'if [ "$(stat -fc %T /sys/fs/cgroup)" = tmpfs ]; then ' +
  'umount /sys/fs/cgroup/unified 2>/dev/null; fi; exec "$@"';
const WITHOUT_HYBRID = ["unshare", "-m", "sh", "-c", HIDE_SECOND, "sh"];

/** Reason why an ordinary user cannot create namespaces here, if any. */
async function namespaceReason(): Promise<string | undefined> {
  const unshare = ["unshare", "-Ur", "true"];
  const command = Deno.uid() === 0
    ? ["setpriv", `--reuid=${ORDINARY_ID}`, `--regid=${ORDINARY_ID}`, "--clear-groups", ...unshare]
    : unshare;
  const [first = "", ...rest] = command;
  try {
    const { code } = await run(first, rest);
    return code === 0 ? undefined : "no user namespaces for ordinary users";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "setpriv or unshare not installed";
    throw error;
  }
}

/** Reason why an ordinary user cannot run containers with a runtime here, if any. */
export async function ordinaryUserReason(runtime: string): Promise<string | undefined> {
  const reason = await namespaceReason();
  // Only root can take the second version away from crun.
  if (reason !== undefined || runtime !== "crun" || Deno.uid() === 0) return reason;
  const { controllers = [] } = readCgroupHierarchy();
  return controllers.length === 0 ? undefined : "crun refuses both versions of control groups";
}
