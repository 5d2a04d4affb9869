import { assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { run } from "../_support/process.ts";
import { ROOT_REASON, testUnless } from "../_support/skip.ts";

/** An entry that an attacker has put in the place of a file or a directory of a store. */
export interface Planted {
  readonly what: string;
  /** Reason why it cannot be made here. */
  readonly reason?: string | undefined;
  /** Makes it; `aside` is an empty directory outside of the store. */
  readonly plant: (path: string, aside: string) => Promise<void>;
}

/** Content of a file outside of the store, before and after. */
export const SECRET = "secret of the user\n";

/** Checks that nothing was written or removed outside of the store. */
export async function assertUntouched(aside: string): Promise<void> {
  for await (const { name } of Deno.readDir(aside)) {
    assertEquals(name, "secret");
    assertEquals(await Deno.readTextFile(`${aside}/${name}`), SECRET);
  }
}

/** The user who owns the planted entries. */
export const OTHER_USER = 12345;

const onWindows = Deno.build.os === "windows" ? "needs a POSIX system" : undefined;
const notAsUser = onWindows ?? ROOT_REASON;

/** Registers a test for each planted entry; skips those that cannot be made here. */
export function plantedTest(
  planted: readonly Planted[],
  name: (what: string) => string,
  fn: (planted: Planted) => Promise<void>,
): void {
  for (const one of planted) testUnless(one.reason)(name(one.what), () => fn(one));
}

/** Every kind of entry except a regular file of this user. */
export const PLANTED_FILES: readonly Planted[] = [
  {
    what: "a symlink to a file",
    plant: async (path, aside) => await Deno.symlink(await secret(aside), path),
  },
  { what: "a symlink to nothing", plant: (path, aside) => Deno.symlink(`${aside}/made`, path) },
  { what: "a symlink to a directory", plant: (path, aside) => Deno.symlink(aside, path) },
  { what: "a symlink to a device", plant: (path) => Deno.symlink("/dev/zero", path) },
  { what: "a directory", plant: (path) => Deno.mkdir(path) },
  { what: "a FIFO", reason: onWindows, plant: (path) => makeFifo(path) },
  {
    what: "a hard link",
    plant: async (path, aside) => await Deno.link(await secret(aside), path),
  },
  {
    what: "a file that everybody can write to",
    reason: onWindows,
    plant: async (path) => {
      await Deno.writeTextFile(path, "{}");
      await Deno.chmod(path, 0o666);
    },
  },
  { what: "a file of another user", reason: notAsUser, plant: makeForeignFile },
];

/** Every kind of entry except a directory of this user. */
export const PLANTED_DIRECTORIES: readonly Planted[] = [
  { what: "a symlink to a directory", plant: (path, aside) => Deno.symlink(aside, path) },
  { what: "a symlink to nothing", plant: (path, aside) => Deno.symlink(`${aside}/made`, path) },
  { what: "a file", plant: (path) => Deno.writeTextFile(path, "") },
  { what: "a FIFO", reason: onWindows, plant: (path) => makeFifo(path) },
  {
    what: "a directory of another user",
    reason: notAsUser,
    plant: async (path) => {
      await Deno.mkdir(path, { mode: 0o755 });
      await Deno.chown(path, OTHER_USER, OTHER_USER);
    },
  },
  {
    what: "a directory that everybody can write to",
    reason: onWindows,
    plant: async (path) => {
      await Deno.mkdir(path);
      await Deno.chmod(path, 0o777);
    },
  },
];

/** Makes a FIFO. */
async function makeFifo(path: string): Promise<void> {
  const { code, stderr } = await run("mkfifo", [path]);
  if (code !== 0) throw new Error(stderr);
}

async function secret(aside: string): Promise<string> {
  const path = `${aside}/secret`;
  await Deno.writeTextFile(path, SECRET);
  return path;
}

async function makeForeignFile(path: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, "{}");
  await Deno.chown(path, OTHER_USER, OTHER_USER);
}
