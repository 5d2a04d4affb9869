import type { Digest } from "../spec/digest.ts";

/** How the root file system of a bundle came to be. */
export type BundleKind = "overlay" | "fuse-overlayfs" | "uncompressed";

/**
 * A directory that an OCI runtime runs: `config.json` and `rootfs/`. None but its owner may enter
 * it, since an image may have programs that run as their owner. It is removed, and what is
 * mounted in it unmounted, when it is disposed of; a process that ends without doing so leaves
 * it as it is.
 */
export interface Bundle extends AsyncDisposable {
  /** The directory, as an absolute path. */
  readonly path: string;
  /** The image's digest. */
  readonly image: Digest;
  /** How the root file system came to be. */
  readonly kind: BundleKind;
  /**
   * Directory of the store for what a runtime knows of the bundle's containers, which `runBundle`
   * makes and `cleanup` removes. It is never in the bundle, where an image could put a state.
   */
  readonly stateDirectory: string;
  /**
   * Unmounts and removes the bundle. Once is enough; more often does nothing.
   *
   * @throws {BundleError} If somebody else is removing it, or something stays mounted in it.
   */
  cleanup(): Promise<void>;
}

/** What the id of a bundle may look like, so that it is a name of a file and of a container. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/**
 * Checks the id of a bundle.
 *
 * @param id The id.
 * @throws {RangeError} If it could not be the name of a directory, or of a container.
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
    `Cannot bundle as ${JSON.stringify(id)}: an id has 1 to 128 letters, digits, "_", "." and ` +
      '"-", and begins with a letter or a digit',
  );
}

/** Where the bundle of an id is, or would be, in the directory of a store. */
export function bundlePath(store: string, id: string): string {
  checkBundleId(id);
  return `${store}/containers/${id}`;
}
