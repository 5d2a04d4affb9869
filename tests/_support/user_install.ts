import { dirname, join } from "@std/path";
import { runPeer } from "./peers.ts";
import { denoEnvironment, ROOT } from "./process.ts";

/** A checkout that an ordinary user can run. */
export interface UserInstall {
  /** Command that runs a module of the checkout. */
  readonly deno: readonly string[];
  /** Directory of the checkout. */
  readonly checkout: string;
  /** The variables that it needs. */
  readonly env: Readonly<Record<string, string>>;
}

const FILES = ["deno.json", "deno.lock", "mod.ts"];
const FOLDERS = ["cache", "cli", "layer", "registry", "spec", "store", "tests/_std"];

/**
 * Copies the runtime, the checkout and its modules into a directory and gives it to a user: the
 * home of the user who runs the tests may be closed to others.
 *
 * @param modules Paths of further modules in the checkout, such as those of tests.
 */
export async function installForUser(
  directory: string,
  owner: number,
  modules: readonly string[] = [],
): Promise<UserInstall> {
  const [program, checkout, cache] = ["deno", "checkout", "modules"].map((name) =>
    join(directory, name)
  ) as [string, string, string];
  await Deno.mkdir(join(checkout, "tests"), { recursive: true });
  await Deno.mkdir(cache);
  await Deno.copyFile(Deno.execPath(), program);
  for (const name of FILES) await Deno.copyFile(join(ROOT, name), join(checkout, name));
  for (const name of FOLDERS) {
    await runPeer("cp", ["-r", join(ROOT, name), join(checkout, name)]);
  }
  for (const name of modules) {
    await Deno.mkdir(dirname(join(checkout, name)), { recursive: true });
    await Deno.copyFile(join(ROOT, name), join(checkout, name));
  }
  const { DENO_DIR = "", ...env } = await denoEnvironment();
  await runPeer("cp", ["-r", join(DENO_DIR, "npm"), cache]);
  await runPeer("chown", ["-R", `${owner}:${owner}`, directory]);
  return {
    deno: [program, "run", "-A", "--quiet", `--config=${join(checkout, "deno.json")}`],
    checkout,
    env: { ...env, DENO_DIR: cache },
  };
}
