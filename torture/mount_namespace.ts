import { ROOT } from "../tests/_support/process.ts";
import type { Random } from "./random.ts";

/** Set in a process that has its own mount namespace. */
const MARK = "OCI_TORTURE_NAMESPACE";

// crun refuses a machine that has both versions of control groups.
const SCRIPT = 'if [ "$(stat -fc %T /sys/fs/cgroup)" = tmpfs ]; then ' +
  'umount /sys/fs/cgroup/unified 2>/dev/null; fi; exec "$@"';

/** Returns the reason why this process cannot mount file systems, if any. */
export function mountReason(): string | undefined {
  if (Deno.build.os !== "linux") return "needs Linux";
  return Deno.uid() === 0 ? undefined : "needs root";
}

/** Chooses a kind of bundle that this process can make. */
export function chooseBundler(random: Random): "overlay" | "uncompressed" {
  return mountReason() === undefined && random.chance(0.5) ? "overlay" : "uncompressed";
}

/**
 * As root, restarts the program in its own mount namespace, so that no mount survives it, however
 * it ends.
 *
 * @returns The exit code of that program; `undefined` if this process continues.
 */
export async function reachMountNamespace(): Promise<number | undefined> {
  if (mountReason() !== undefined || Deno.env.has(MARK)) return undefined;
  const child = new Deno.Command("unshare", {
    args: ["-m", "sh", "-c", SCRIPT, "sh", Deno.execPath(), "run", "-A", "--quiet"]
      .concat([`--config=${ROOT}/deno.json`, `${ROOT}/torture/main.ts`], Deno.args),
    env: { [MARK]: "1" },
  }).spawn();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    // A terminal sends Ctrl-C to the child as well.
    Deno.addSignalListener(name, () => {
      if (name === "SIGTERM") child.kill(name);
    });
  }
  return (await child.status).code;
}
