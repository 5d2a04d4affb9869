import { exists } from "@std/fs";
import { join } from "@std/path";
import { unmountTree } from "../tests/_support/unmount_tree.ts";
import { shell } from "./_shell.ts";

/** Kind of file system that contenders write to. */
export type Place = "tmpfs" | "disk";

const PARENTS: Readonly<Record<Place, string>> = { tmpfs: "/dev/shm", disk: "/var/tmp" };

/**
 * A directory that contenders write to. Disposing of it unmounts and removes everything in it.
 *
 * Each time it is cleared, the directory gets another name: where inodes were freed within the last
 * minute, ext4 checks each of them before it uses a new one, which can take ten times as long as
 * the measured work. `chattr +T` makes ext4 place each such directory elsewhere on the disk.
 */
export class Workplace implements AsyncDisposable {
  /** Directory to write to until it is cleared; always the same path. */
  readonly path: string;
  /** The place in words, with the type of its file system. */
  readonly title: string;
  readonly #directory: string;
  readonly #place: Place;
  #count = 0;

  private constructor(directory: string, title: string, place: Place) {
    this.path = join(directory, "now");
    this.title = title;
    this.#directory = directory;
    this.#place = place;
  }

  /** Creates an empty workplace. */
  static async open(place: Place): Promise<Workplace> {
    const directory = await Deno.makeTempDir({ dir: PARENTS[place], prefix: "oci-bench-" });
    // If several file systems are mounted at the same point, the last one counts.
    const type = (await shell(`findmnt -no FSTYPE -T ${directory} | tail -n 1`)).trim();
    if (type === "ext4") await shell(`chattr +T ${directory}`);
    const title = `${place === "disk" ? "on disk" : "in memory"} (${type})`;
    const workplace = new Workplace(directory, title, place);
    await workplace.clear();
    return workplace;
  }

  /** Returns a path in it. */
  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** The beginning of a podman command that uses a store in this directory. */
  get podman(): string {
    return `podman --root ${this.join("podman")} --runroot ${this.join("podman-run")} ` +
      "--storage-driver overlay --events-backend none";
  }

  /** Unmounts and removes everything in it. */
  async clear(): Promise<void> {
    await this.#remove();
    const name = `${++this.#count}`;
    await Deno.mkdir(join(this.#directory, name));
    await Deno.symlink(name, this.path);
    // Pending writes of one contender would slow the next one down.
    if (this.#place === "disk") await shell(`sync -f ${this.#directory}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remove();
    await Deno.remove(this.#directory);
  }

  async #remove(): Promise<void> {
    try {
      // Each container holds a lock, and all of podman's stores share a limited number of locks.
      if (await exists(this.join("podman"))) await shell(`${this.podman} rm -fa`);
    } finally {
      unmountTree(this.#directory);
      await shell(`find ${this.#directory} -mindepth 1 -delete`);
    }
  }
}
