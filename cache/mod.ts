/**
 * State that persists between runs: digests of references, images in the store, and pull policies.
 *
 * ```ts
 * import { CachingPuller, LayoutHashCache, LayoutImageCache } from "@x/oci/cache";
 * import { ContentStore } from "@x/oci/store";
 *
 * const directory = await Deno.makeTempDir();
 * const store = await ContentStore.open(directory);
 * const client = { image: () => Promise.reject(new Error("no registry")) };
 * const puller = new CachingPuller(
 *   new LayoutHashCache(store),
 *   new LayoutImageCache(store),
 *   client,
 * );
 * console.log(typeof puller.image);
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @module
 */
export * from "./moving/artifacts.ts";
export * from "./pulling/caching_puller.ts";
export { storeDirectory, StoreDirectoryError } from "./directory.ts";
export * from "./errors.ts";
export * from "./pulling/hash_cache.ts";
export type * from "./pulling/image_cache.ts";
export * from "./pulling/layout_image_cache.ts";
export * from "./moving/moving.ts";
export * from "./pulling/pull.ts";
export * from "./pulling/unpack.ts";
