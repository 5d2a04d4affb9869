import {
  keepNativeBackend,
  mountOverlay,
  mountTmpfs,
  openFileTree,
  overlayWhiteouts,
  unmountTree,
} from "../../layer/mod.ts";
import { lstatIfAny } from "../_durable.ts";
import { removeTree } from "../_remove_tree.ts";
import type { LayerKind } from "./layer_kind.ts";

/** Whether overlays can be mounted, and how; or why not. */
export type OverlaySupport =
  | { readonly supported: true; readonly namespace: LayerKind["namespace"] }
  | { readonly supported: false; readonly reason: string };

/**
 * Finds out whether the kernel mounts overlays of directories in `root`, for this process: makes
 * two small layers with all that layers have, mounts them, looks, changes something, and leaves
 * nothing behind.
 *
 * @param root Directory for the trial, most often a store's. It is made if it is not there.
 * @returns Yes, with the namespace of the attributes that the kernel heeds; or no, and why.
 *
 * @example Choose a bundler
 * ```ts
 * import { overlaySupported } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const support = await overlaySupported(root);
 *
 * assert(support.supported || support.reason.length > 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export async function overlaySupported(root: string): Promise<OverlaySupport> {
  if (Deno.build.os !== "linux") return refuse("the overlay file system is part of Linux");
  using _native = keepNativeBackend();
  await Deno.mkdir(root, { recursive: true });
  const trial = await Deno.makeTempDir({ dir: await Deno.realPath(root), prefix: ".overlay-" });
  try {
    const reasons = new Set<string>();
    // As root of the host both work, but a program in the container could then make marks itself.
    for (const namespace of ["trusted", "user"] as const) {
      const reason = await tryNamespace(`${trial}/${namespace}`, namespace);
      if (reason === undefined) return { supported: true, namespace };
      reasons.add(reason);
    }
    return refuse([...reasons].join("; "));
  } finally {
    await removeTree(trial);
  }
}

function refuse(reason: string): OverlaySupport {
  return { supported: false, reason };
}

/** Mounts an overlay with the marks of a namespace; says why it does not do what it must. */
async function tryNamespace(
  trial: string,
  namespace: LayerKind["namespace"],
): Promise<string | undefined> {
  for (const name of ["lower/dir", "upper/dir", "scratch", "view"]) {
    await Deno.mkdir(`${trial}/${name}`, { recursive: true });
  }
  await Deno.writeTextFile(`${trial}/lower/removed`, "");
  await Deno.writeTextFile(`${trial}/lower/dir/hidden`, "");
  try {
    markUpper(`${trial}/upper`, namespace);
    const scratch = `${trial}/scratch`;
    mountTmpfs(scratch);
    await Deno.mkdir(`${scratch}/upper`);
    await Deno.mkdir(`${scratch}/work`);
    mountOverlay([`${trial}/upper`, `${trial}/lower`], `${trial}/view`, {
      writable: { upper: `${scratch}/upper`, work: `${scratch}/work` },
      userXattr: namespace === "user",
    });
    return await lookAt(`${trial}/view`);
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof Deno.errors.PermissionDenied)) return message;
    return 'to mount needs root, or root of a user namespace as "unshare -Urm" makes it ' +
      `(${message})`;
  } finally {
    unmountAny(trial);
  }
}

function unmountAny(trial: string): void {
  try {
    unmountTree(trial);
  } catch (error) {
    // Who cannot unmount could not mount.
    if (!(error instanceof Deno.errors.NotSupported || error instanceof Deno.errors.NotCapable)) {
      throw error;
    }
  }
}

function markUpper(upper: string, namespace: LayerKind["namespace"]): void {
  using tree = openFileTree(upper, { backend: "native" });
  const whiteouts = overlayWhiteouts({ namespace });
  whiteouts.hide(tree, "removed");
  whiteouts.hideAll(tree, "dir");
}

async function lookAt(view: string): Promise<string | undefined> {
  if (await lstatIfAny(`${view}/removed`) !== undefined) return "the kernel heeds no whiteouts";
  if (await lstatIfAny(`${view}/dir/hidden`) !== undefined) {
    return "the kernel heeds no opaque directories";
  }
  // In the place of a whiteout, a directory must be marked opaque in the upper directory.
  await Deno.mkdir(`${view}/removed`);
  await Deno.writeTextFile(`${view}/removed/file`, "");
  return undefined;
}
