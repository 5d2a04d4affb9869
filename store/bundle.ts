import type { Digest } from "../spec/digest.ts";

/** Method by which the root file system of a bundle was made. */
export type BundleKind = "overlay" | "fuse-overlayfs" | "uncompressed";

/**
 * A directory that an OCI runtime runs, with `config.json` and `rootfs/`. Only its owner may enter
 * it, since an image may contain setuid programs. Disposing of the bundle unmounts and removes it;
 * a process that ends without doing so leaves it behind.
 */
export interface Bundle extends AsyncDisposable {
  /** Absolute path of the directory. */
  readonly path: string;
  /** Digest of the image. */
  readonly image: Digest;
  /** Method by which the root file system was made. */
  readonly kind: BundleKind;
  /**
   * Directory in the store for the runtime's state of the bundle's containers. `runBundle` creates
   * it and `cleanup` removes it. It is outside the bundle, so that an image cannot forge a state.
   */
  readonly stateDirectory: string;
  /**
   * Unmounts and removes the bundle. Further calls do nothing.
   *
   * @throws {BundleError} If another process is removing it, or a mount in it cannot be unmounted.
   */
  cleanup(): Promise<void>;
}

/** Valid IDs of bundles, which are also valid names of files and containers. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/**
 * Checks the id of a bundle.
 *
 * @param id The id.
 * @throws {RangeError} If the ID is not a valid name of a directory or a container.
 *
 * @example Check ids
 * ```ts
 * import { checkBundleId } from "@x/oci/store";
 * import { assertThrows } from "@std/assert";
 *
 * checkBundleId("web-1");
 * assertThrows(() => checkBundleId("../web"), RangeError);
 * ```
 */
export function checkBundleId(id: string): void {
  if (ID.test(id)) return;
  throw new RangeError(
    `Cannot name a bundle ${
      JSON.stringify(id)
    }: an ID has 1 to 128 letters, digits, "_", "." and ` +
      '"-", and begins with a letter or a digit',
  );
}

/** Returns the path that the bundle of an ID has or would have in a store. */
export function bundlePath(store: string, id: string): string {
  checkBundleId(id);
  return `${store}/containers/${id}`;
}
