import type { BundlerOptions } from "../bundles/bundler.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { UncompressedBundler } from "../uncompressed/uncompressed_bundler.ts";
import { findFuseMounter, findKernelMounter } from "./find_mounter.ts";
import { OverlayBundler, type OverlayBundlerOptions } from "./overlay_bundler.ts";

/** Options for {@linkcode openBundler}. */
export interface OpenBundlerOptions extends Omit<OverlayBundlerOptions, "mounter"> {
  /**
   * Kind of bundler. `"overlay"` uses only overlay mounts, by the kernel or fuse-overlayfs.
   *
   * @default {"auto"}
   */
  readonly kind?: "auto" | "overlay" | "uncompressed" | undefined;
  /** Called with the reason if a better kind does not work. */
  readonly onFallback?: ((message: string) => void) | undefined;
}

/**
 * Opens the best bundler that works on this machine: overlay mounts by the kernel, as root or as
 * root of a user namespace; else overlay mounts by fuse-overlayfs, if installed; else extraction.
 *
 * @param store Store of the images.
 * @param options Kind of bundler and callbacks.
 * @returns The bundler. With kind `"overlay"` but no overlay support, it fails on use.
 *
 * @example Bundle an image in the best way that works here
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, openBundler } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 *
 * const bundler = await openBundler(await ContentStore.open("./store"));
 * await using bundle = await bundler.bundle(image, "web-1");
 *
 * assert((await Deno.lstat(`${bundle.path}/rootfs/etc/passwd`)).isFile);
 * ```
 */
export async function openBundler(
  store: ContentStore,
  options: OpenBundlerOptions = {},
): Promise<OverlayBundler | UncompressedBundler> {
  const { kind = "auto", onFallback, ...rest } = options;
  if (kind === "uncompressed") return await openUncompressed(store, rest);
  const waiting = { onWait: store.onWait, signal: options.signal };
  const kernel = await findKernelMounter(store.path, waiting);
  if (typeof kernel !== "string") return new OverlayBundler(store, { ...rest, mounter: kernel });
  const fuse = await findFuseMounter(store.path, waiting);
  if (typeof fuse !== "string") {
    onFallback?.(`using fuse-overlayfs because the kernel cannot mount overlays: ${kernel}`);
    return new OverlayBundler(store, { ...rest, mounter: fuse });
  }
  if (kind === "overlay") return new OverlayBundler(store, rest);
  const reasons = [...new Set([kernel, fuse])].join("; ");
  onFallback?.(`extracting the layers because overlays cannot be mounted: ${reasons}`);
  return await openUncompressed(store, rest);
}

/** Loads the bundler on demand, since most programs do not need it. */
async function openUncompressed(
  store: ContentStore,
  options: BundlerOptions,
): Promise<UncompressedBundler> {
  const { UncompressedBundler } = await import("../uncompressed/uncompressed_bundler.ts");
  return new UncompressedBundler(store, options);
}
