import { exists } from "@std/fs";
import { join } from "@std/path";
import { shell } from "./_shell.ts";

/** What holds the files that contenders write. */
export type Place = "tmpfs" | "disk";

const PARENTS: Readonly<Record<Place, string>> = { tmpfs: "/dev/shm", disk: "/var/tmp" };

/** A directory that contenders write to. Disposing of it unmounts and removes all that is there. */
export class Workplace implements AsyncDisposable {
  readonly path: string;
  /** The place in words, with the type of its file system. */
  readonly title: string;
  readonly #place: Place;

  private constructor(path: string, title: string, place: Place) {
    this.path = path;
    this.title = title;
    this.#place = place;
  }

  /** Makes an empty one. */
  static async open(place: Place): Promise<Workplace> {
    const path = await Deno.makeTempDir({ dir: PARENTS[place], prefix: "oci-bench-" });
    // Of file systems mounted over each other, the last one counts.
    const type = (await shell(`findmnt -no FSTYPE -T ${path} | tail -n 1`)).trim();
    return new Workplace(path, `${place === "disk" ? "on disk" : "in memory"} (${type})`, place);
  }

  /** The path of something in it. */
  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** The beginning of a command of podman, with a store in here. */
  get podman(): string {
    return `podman --root ${this.join("podman")} --runroot ${this.join("podman-run")} ` +
      "--storage-driver overlay --events-backend none";
  }

  /** Unmounts and removes all that is there. */
  async clear(): Promise<void> {
    try {
      // A container holds one of a limited number of locks that all of podman's stores share.
      if (await exists(this.join("podman"))) await shell(`${this.podman} rm -fa`);
    } finally {
      await unmountBelow(this.path);
      await shell(`find ${this.path} -mindepth 1 -delete`);
    }
    // What one contender has left to be written would slow the next one down.
    if (this.#place === "disk") await shell(`sync -f ${this.path}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clear();
    await Deno.remove(this.path);
  }
}

async function unmountBelow(path: string): Promise<void> {
  const mounts = (await Deno.readTextFile("/proc/self/mountinfo")).split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((target) => target.startsWith(`${path}/`));
  for (const target of mounts.toReversed()) await shell(`umount '${target}'`);
}
