/**
 * What is on disk: a content store that is an OCI image layout, and views of the images in it.
 *
 * ```ts
 * import { ContentStore } from "@x/oci/store";
 *
 * const directory = await Deno.makeTempDir();
 * const store = await ContentStore.open(`${directory}/store`);
 * for (const { name, descriptor } of await store.references()) {
 *   console.log(name, descriptor.digest);
 * }
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @module
 */
export type {
  BlobFollower,
  BlobSource,
  Ingestion,
  IngestOptions,
  IngestProgress,
} from "./_ingest.ts";
export * from "./blob_writer.ts";
export { type Bundle, type BundleKind, checkBundleId } from "./bundle.ts";
export type * from "./bundler.ts";
export * from "./cgroup_hierarchy.ts";
export * from "./content_store.ts";
export * from "./errors.ts";
export { findProgram, findRuntime, PROGRAM_PLACES, RUNTIMES } from "./find_runtime.ts";
export type { StoredReference } from "./layout_index.ts";
export * from "./export_image.ts";
export * from "./image.ts";
export * from "./image_files.ts";
export * from "./installed_runtimes.ts";
export type { LayerListener } from "./layer_listener.ts";
export * from "./layout_client.ts";
export * from "./left_bundles.ts";
export * from "./open_bundler.ts";
export type { LayerExtraction, LayerExtractionOptions } from "./overlay/layer_extraction.ts";
export type { LayerKind } from "./overlay/layer_kind.ts";
export * from "./overlay/layer_resolver.ts";
export * from "./overlay/overlay_bundler.ts";
export type * from "./overlay/overlay_mounter.ts";
export * from "./overlay/prepare_layers.ts";
export * from "./overlay/prune_layers.ts";
export {
  fuseOverlaySupported,
  type OverlaySupport,
  overlaySupported,
} from "./overlay/supported.ts";
export * from "./read_image.ts";
export * from "./registry_content.ts";
export * from "./remove_bundle.ts";
export * from "./rootless_maps.ts";
export * from "./runtime.ts";
export * from "./uncompressed/uncompressed_bundler.ts";
export * from "./unpack_image.ts";
export * from "./user_namespaces.ts";
export * from "./validate_image.ts";
export * from "./write_spec.ts";
