import { ensureDir } from "@std/fs";
import { join } from "@std/path";
import { shell } from "./_shell.ts";

export interface ListUsrOptions {
  /** Further tests of `find`. */
  readonly tests?: string | undefined;
  /** Whether to sort by a hash, which is the same in every run, rather than by path. */
  readonly scattered?: boolean | undefined;
}

/** Lists the entries of `/usr`, each as its type, its size and its path below `/usr`. */
export async function listUsr(options: ListUsrOptions = {}): Promise<readonly string[]> {
  const { tests = "", scattered = false } = options;
  const order = scattered ? "-R --random-source=/dev/zero" : "-k3";
  const list = await shell(
    `find /usr -xdev ${tests} -printf '%y %s %P\\n' | LC_ALL=C sort ${order}`,
  );
  return list.split("\n");
}

/** Returns the first paths of a listing whose files have the given number of bytes. */
export function takePaths(lines: readonly string[], bytes: number): readonly string[] {
  const paths: string[] = [];
  let total = 0;
  for (const line of lines) {
    const [type = "", size, ...rest] = line.split(" ");
    if (rest.length === 0 || !["d", "f", "l"].includes(type)) continue;
    if (type === "f") total += Number(size);
    if (total > bytes) break;
    paths.push(`usr/${rest.join(" ")}`);
  }
  return paths;
}

/** Writes small text files, a number of them in each directory. */
export async function writeSmallFiles(
  root: string,
  count: number,
  perDirectory: number,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    const directory = join(root, `d${Math.floor(i / perDirectory)}`);
    if (i % perDirectory === 0) await ensureDir(directory);
    await Deno.writeTextFile(join(directory, `file-${i}.txt`), `${i} `.repeat(1 + i % 200));
  }
}
