import type { OverlayNamespace } from "../threads/overlay_extraction.ts";
import { findFuseMounter, tryKernel } from "./find_mounter.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Whether and how overlays can be mounted, or the reason why not. */
export type OverlaySupport =
  | { readonly supported: true; readonly namespace: OverlayNamespace }
  | { readonly supported: false; readonly reason: string };

/**
 * Tests whether this process can mount overlays of directories in `root` with the kernel. Creates
 * two small layers with whiteouts, mounts them, checks the result, writes files, and removes
 * everything.
 *
 * @param root Directory for the test, usually that of a store. Created if it is missing.
 * @returns Whether overlays are supported, with the namespace of the attributes that the kernel
 * honors, or the reason why not.
 *
 * @example Choose a bundler
 * ```ts
 * import { overlaySupported } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const support = await overlaySupported("./");
 *
 * assert(support.supported || support.reason.length > 0);
 * ```
 */
export async function overlaySupported(root: string): Promise<OverlaySupport> {
  return supportOf(await tryKernel(root));
}

/**
 * Tests whether this process can mount overlays of directories in `root` with the program
 * fuse-overlayfs, in the same way as {@linkcode overlaySupported}.
 *
 * @param root Directory for the test, usually that of a store. Created if it is missing.
 * @returns Whether overlays are supported, or the reason why not.
 *
 * @example Check for overlay support
 * ```ts
 * import { fuseOverlaySupported } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const support = await fuseOverlaySupported("./");
 *
 * assert(support.supported || support.reason.length > 0);
 * ```
 */
export async function fuseOverlaySupported(root: string): Promise<OverlaySupport> {
  return supportOf(await findFuseMounter(root));
}

/**
 * Tests whether this process can mount overlays of directories in `root` with mapped owners, which
 * bundles with `uidMap` use; see {@linkcode overlaySupported}.
 *
 * @param root Directory for the test, usually that of a store. Created if it is missing.
 * @returns Whether such mounts are supported, or the reason why not.
 *
 * @example Check for ID-mapped mounts
 * ```ts
 * import { idMapSupported } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const support = await idMapSupported("./");
 *
 * assert(support.supported || support.reason.length > 0);
 * ```
 */
export async function idMapSupported(root: string): Promise<OverlaySupport> {
  const mounter = await tryKernel(root);
  if (typeof mounter === "string") return supportOf(mounter);
  const { mappedMounter } = await import("./_mapped_mounter.ts");
  const { tryMounter } = await import("./_overlay_trial.ts");
  const ids = [{ containerId: 0, hostId: 1, size: 1 }];
  const mapped = mappedMounter(mounter, { kind: "map", uids: ids, gids: ids });
  return supportOf(await tryMounter(root, mapped, {}) ?? mapped);
}

function supportOf(mounter: OverlayMounter | string): OverlaySupport {
  return typeof mounter === "string"
    ? { supported: false, reason: mounter }
    : { supported: true, namespace: mounter.namespace };
}
