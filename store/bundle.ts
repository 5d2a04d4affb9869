import type { Digest } from "../spec/digest.ts";
import { explainedError } from "../spec/error_facts.ts";

/** How the root file system of a bundle is made. */
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
  /** How the root file system is made. */
  readonly kind: BundleKind;
  /**
   * Directory in the store where the runtime keeps the state of the bundle's containers. `runBundle`
   * creates it and `cleanup` removes it. It is outside the bundle, so that an image cannot forge it.
   */
  readonly stateDirectory: string;
  /**
   * Unmounts and removes the bundle. Further calls do nothing.
   *
   * @throws {BundleError} If another process is removing it, or a mount in it cannot be unmounted.
   */
  cleanup(): Promise<void>;
}

/** Valid bundle IDs, which are also valid names of files and containers. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/**
 * Checks the ID of a bundle.
 *
 * @param id The ID.
 * @throws {RangeError} If the ID is not a valid name of a directory or a container.
 *
 * @example Check IDs
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
  throw explainedError(RangeError, {
    code: "invalid-argument",
    action: `name a bundle ${JSON.stringify(id)}`,
    problem:
      'an ID has 1 to 128 letters, digits, "_", "." and "-", and begins with a letter or a ' +
      "digit",
    option: "id",
  });
}

/** Returns the path in a store of the bundle with an ID, whether or not it exists. */
export function bundlePath(store: string, id: string): string {
  checkBundleId(id);
  return `${store}/containers/${id}`;
}
