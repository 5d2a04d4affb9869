import { readMounts } from "../../../layer/linux/mount_table.ts";
import type { BundleRecord } from "../../../store/bundles/bundle_record.ts";
import { BundleRecords } from "../../../store/bundles/bundle_records.ts";
import { ContentStore, overlaySupported } from "../../../store/mod.ts";
import { dir, file, tar } from "../../_support/tar.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

/** Finds the record of a bundle in a store, and changes its members. */
export async function changeRecord(
  store: string,
  path: string,
  changes: Partial<BundleRecord>,
): Promise<void> {
  const records = BundleRecords.open(store);
  const record = (await records.list()).find((record) => record.path === path);
  if (record === undefined) throw new Error(`there is no record of ${path}`);
  await records.write({ ...record, ...changes });
}

/** Reason why overlays cannot be mounted here, if any. */
export async function overlayReason(): Promise<string | undefined> {
  await using root = await makeTempDir({ large: true });
  const support = await overlaySupported(root.path);
  return support.supported ? undefined : support.reason;
}

/** A store in a separate directory. Disposing of it unmounts everything in the directory. */
export interface TestStore extends AsyncDisposable {
  readonly store: ContentStore;
  readonly path: string;
  readonly directory: TempDir;
  /** Mounts in the directory. */
  mounts(): readonly string[];
  /** Names in a directory of the store; none if it does not exist. */
  list(name: string): Promise<readonly string[]>;
}

/** Makes an empty store. */
export async function makeStore(): Promise<TestStore> {
  const directory = await makeTempDir({ large: true });
  const path = directory.join("store");
  const store = await ContentStore.open(path);
  return {
    store,
    path,
    directory,
    mounts: () =>
      readMounts().map(({ target }) => target).filter((target) =>
        target.startsWith(directory.path)
      ),
    list: async (name) => {
      try {
        return (await Array.fromAsync(Deno.readDir(`${path}/${name}`), (entry) => entry.name))
          .sort();
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      // Removing the directory would also remove the content of mounts that a failed test left.
      if (Deno.build.os === "linux") unmountTree(directory.path);
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** A layer with users and a file. */
export const BASE: Uint8Array = tar(
  dir("bin"),
  file("bin/true", "#!", { mode: 0o755 }),
  dir("etc"),
  file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"),
  file("etc/group", "root:x:0:\napp:x:1000:\nvideo:x:44:app\n"),
  file("secret", "secret"),
);
