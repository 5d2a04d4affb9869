/**
 * A store of verified content in the form of an OCI image layout, and operations on its images.
 *
 * - {@linkcode ContentStore} holds the content; {@linkcode prune} and {@linkcode fsck} maintain it.
 * - {@linkcode ImageFiles} reads files of an image without unpacking it, {@linkcode unpackImage}
 *   unpacks it, and {@linkcode exportImage} writes its file system as a tar archive.
 * - {@linkcode openBundler} makes bundles, which {@linkcode runBundle} runs.
 * - {@linkcode copyGraph} copies content between places; {@linkcode loadArchive} and
 *   {@linkcode saveArchive} do so for archives of docker and podman.
 * - {@linkcode serveStore} serves the images as a registry.
 * - {@linkcode verifySignature} verifies who signed an image, and {@linkcode listAttestations} lists
 *   its SBOMs and provenance.
 * - {@linkcode ArtifactContent} packs files as an artifact, and {@linkcode writeArtifact} writes them
 *   back.
 *
 * Importing needs no permission. A store needs `--allow-read` and `--allow-write` for its
 * directory, and `--allow-sys=uid` to compare its owner with the user.
 *
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const { digest } = await pull("alpine:3.20", { store: "./store" });
 *
 * const store = await ContentStore.open("./store");
 * const [first] = await store.references();
 *
 * assertEquals(first?.descriptor.digest, digest);
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
} from "./downloads/ingest_options.ts";
export type { OpenBlobOptions } from "./blobs/blob_stream.ts";
export type * from "./content/content_store_options.ts";
export type { LayerListener } from "./content/ingest_layer.ts";
export { copyGraph, copyNamed } from "./moving/copy_graph.ts";
export type * from "./moving/copy_options.ts";
export type { CopySource, CopyTarget } from "./moving/endpoint.ts";
export * from "./moving/layout_content.ts";
export * from "./moving/memory_content.ts";
export { type Bundle, type BundleKind, checkBundleId } from "./bundle.ts";
export type * from "./bundles/bundler.ts";
export * from "./content/content_store.ts";
export { ContentUpload, type ContentUploadOptions } from "./content/content_upload.ts";
export * from "./errors.ts";
export {
  type FileFault,
  StoreFileError,
  type StoreFileErrorOptions,
} from "./host/open_regular_file.ts";
export {
  type DirectoryFault,
  UntrustedStoreError,
  type UntrustedStoreErrorOptions,
} from "./host/private_directory.ts";
export type { RecordedEntry, StoredReference } from "./content/layout_index.ts";
export * from "./archives/archive_writer.ts";
export * from "./archives/image_archive.ts";
export type { ArchivedImage } from "./images/listed_images.ts";
export * from "./moving/load_archive.ts";
export * from "./moving/save_archive.ts";
export {
  type AttachmentSource,
  collectionAttachments,
  repositoryAttachments,
} from "./attachments/attachment_source.ts";
export * from "./attachments/attestations.ts";
export type * from "./attachments/trusted_signer.ts";
export * from "./attachments/verify_signature.ts";
export * from "./artifacts/artifact_content.ts";
export * from "./artifacts/write_artifact.ts";
export * from "./files/export_image.ts";
export type { Image, Layer, UncompressedOptions } from "./images/image.ts";
export * from "./files/image_files.ts";
export * from "./runtime/installed_runtimes.ts";
export type { Hold } from "./content/hold.ts";
export { type ImageCollection, LayoutClient, type LayoutSource } from "./images/layout_client.ts";
export type { DocumentCollection } from "./images/layout_referrers.ts";
export type { DocumentSource } from "./images/stored_document.ts";
export type { BundleCondition } from "./bundles/bundle_condition.ts";
export * from "./bundles/list_bundles.ts";
export * from "./overlay/open_bundler.ts";
export type {
  LayerExtraction,
  LayerExtractionOptions,
  OverlayNamespace,
} from "./threads/overlay_extraction.ts";
export type { ExtractedLayer } from "./overlay/extracted_layer.ts";
export * from "./overlay/layer_resolver.ts";
export * from "./overlay/overlay_bundler.ts";
export type { OverlayMounter, WritableOverlay } from "./overlay/overlay_mounter.ts";
export { prepareLayers, type PrepareLayersOptions } from "./overlay/prepare_layers.ts";
export * from "./overlay/prune_layers.ts";
export {
  fuseOverlaySupported,
  idMapSupported,
  type OverlaySupport,
  overlaySupported,
} from "./overlay/supported.ts";
export { readImage, type ReadImageOptions } from "./images/read_image.ts";
export * from "./upkeep/fsck.ts";
export type * from "./upkeep/fsck_options.ts";
export * from "./upkeep/prune.ts";
export * from "./serving/proxy_registry_content.ts";
export * from "./serving/store_registry_content.ts";
export * from "./serving/serve_store.ts";
export * from "./bundles/remove_bundle.ts";
export * from "./bundles/remove_dead_bundles.ts";
export * from "./runtime/rootless_maps.ts";
export * from "./runtime/runtime.ts";
export * from "./uncompressed/uncompressed_bundler.ts";
export * from "./unpacking/unpack_image.ts";
export type * from "./unpacking/unpack_image_options.ts";
export * from "./runtime/user_namespaces.ts";
export * from "./images/validate_image.ts";
export { writeSpec } from "./bundles/bundle_config.ts";
