/**
 * Images and references that persist between runs, and the policies that decide when to ask a
 * registry.
 *
 * {@linkcode CachingPuller} combines a {@linkcode HashCache}, which maps references to digests, an
 * {@linkcode ImageCache} and a client. {@linkcode pull} and {@linkcode unpack} do so with a store
 * and a registry; {@linkcode copy}, {@linkcode push}, {@linkcode load} and {@linkcode save} move
 * images.
 *
 * Importing needs no permission; the permissions of a call are those of its store and registry.
 *
 * ```ts
 * import { CachingPuller, LayoutHashCache, LayoutImageCache } from "@x/oci/cache";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { ContentStore } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const store = await ContentStore.open("./store");
 * using client = new RemoteClient();
 * const puller = new CachingPuller(
 *   new LayoutHashCache(store),
 *   new LayoutImageCache(store),
 *   client,
 * );
 *
 * const image = await puller.image(parseReference("alpine:3.20"));
 *
 * assert(await store.has(image.digest));
 * ```
 *
 * @module
 */
export * from "./moving/artifacts.ts";
export * from "./pulling/caching_puller.ts";
export type { ResolvingClient } from "./check_tag.ts";
export { storeDirectory, StoreDirectoryError } from "./store_directory.ts";
export * from "./errors.ts";
export * from "./pulling/hash_cache.ts";
export type * from "./pulling/image_cache.ts";
export * from "./pulling/layout_image_cache.ts";
export * from "./moving/moving.ts";
export type * from "./moving/moving_options.ts";
export * from "./progress_events.ts";
export * from "./pulling/pull.ts";
export type { PullOptions } from "./pull_options.ts";
export * from "./pulling/unpack.ts";
export type { LoadedImage } from "../store/moving/load_archive.ts";
export type { SavedImage } from "../store/moving/save_archive.ts";
