/**
 * Pulls, verifies and unpacks OCI container images, and caches them in a store that other tools can
 * read. Requires no daemon and no other program.
 *
 * {@linkcode pull} covers most cases. {@linkcode CachingPuller} is made of replaceable parts: a
 * {@linkcode HashCache}, an {@linkcode ImageCache}, and an {@linkcode ImageClient} such as
 * {@linkcode RemoteClient}.
 *
 * ```ts
 * import { type Image, pull } from "@x/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const image: Image = await pull("alpine:3.20", { store: "./store", platform: "linux/arm64" });
 * const { Entrypoint = [], Cmd = [] } = image.config.value.config;
 *
 * assertEquals([...Entrypoint, ...Cmd], ["/bin/sh"]);
 * ```
 *
 * Run as a program, it is the command line: `deno run -A jsr:@x/oci --help`.
 *
 * Importing it needs no permission. It exports the functions that pull, unpack, cache, push and
 * copy images, and their errors. The parts are separate entry points: `@x/oci/layer` reads and
 * extracts archives, `/store` holds images, makes bundles and runs them, `/registry` talks to
 * registries and serves as one, `/spec` writes runtime configurations, and `/cache` decides when to
 * ask a registry.
 *
 * @module
 */
export type * from "./cache/moving/moving_options.ts";
export { pullArtifact, pushArtifact } from "./cache/moving/artifacts.ts";
export {
  CachingPuller,
  type CachingPullerOptions,
  type FoundImage,
} from "./cache/pulling/caching_puller.ts";
export type { ResolvingClient } from "./cache/check_tag.ts";
export { storeDirectory, StoreDirectoryError } from "./cache/store_directory.ts";
export { NotCachedError } from "./cache/errors.ts";
export { type HashCache, LayoutHashCache } from "./cache/pulling/hash_cache.ts";
export type { ImageCache, WriteImageOptions } from "./cache/pulling/image_cache.ts";
export {
  LayoutImageCache,
  type LayoutImageCacheOptions,
} from "./cache/pulling/layout_image_cache.ts";
export { copy, load, push, save } from "./cache/moving/moving.ts";
export { pull, type PulledImage } from "./cache/pulling/pull.ts";
export type { PullOptions } from "./cache/pull_options.ts";
export {
  prepare,
  type PrepareOptions,
  unpack,
  type UnpackedImage,
  type UnpackOptions,
} from "./cache/pulling/unpack.ts";
export type { DecompressOptions } from "./layer/compression/decompressor.ts";
export {
  ExtractError,
  type ExtractPlace,
  OwnershipError,
  PathEscapeError,
} from "./layer/errors.ts";
export type { ExtractReport, SkippedEntry } from "./layer/extraction/extract_report.ts";
export type { XattrMode } from "./layer/extraction/extractor.ts";
export type { IdRange, Ownership, OwnershipMap } from "./layer/extraction/ownership.ts";
export type { TarLimits } from "./layer/tar/tar_limits.ts";
export { RemoteClient } from "./registry/client/remote_client.ts";
export {
  authorization,
  type CertificateFindOptions,
  type CertificateStore,
  type ClientCertificate,
  type Credential,
  type CredentialFindOptions,
  type CredentialStore,
  type HostCertificates,
  type Login,
  loginOf,
} from "./registry/credentials.ts";
export {
  ArtifactError,
  AuthError,
  BlockedRegistryError,
  CredentialFileError,
  LoginError,
  NetworkError,
  NotFoundError,
  RateLimitError,
  RegistriesConfError,
  RegistryError,
} from "./registry/errors.ts";
export type {
  CertificateFault,
  MissingKind,
  NetworkErrorFields,
  NetworkFailure,
  NotFoundErrorFields,
  RateLimitErrorFields,
  RegistryErrorFields,
} from "./registry/error_fields.ts";
export type {
  ImageClient,
  ImageClientOptions,
  ImageProgress,
  ImagePullAuth,
  ImagePullPolicy,
} from "./registry/image_client.ts";
export type {
  ArchiveLocation,
  DockerArchiveLocation,
  ImageLocation,
  LayoutLocation,
  OciArchiveLocation,
  RegistryLocation,
} from "./registry/image_location.ts";
export {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  type Repository,
} from "./registry/reference.ts";
export type {
  BlobOptions,
  Clock,
  DocumentOptions,
  FindTagOptions,
  PushBlobOptions,
  PushManifestOptions,
  ReferrersOptions,
  RemoteClientOptions,
  RemoteOptions,
  RequestLog,
} from "./registry/remote_client_options.ts";
export type {
  MirrorUse,
  RegistriesConf,
  RegistryMirror,
  RegistryRule,
} from "./registry/registry_rule.ts";
export { readCertificates } from "./registry/certificates/read_certificates.ts";
export type { ContentOptions, OpenContent } from "./spec/image/content.ts";
export type { Descriptor } from "./spec/image/descriptor.ts";
export {
  type Digest,
  type DigestAlgorithm,
  digestHex,
  digestOf,
  isDigest,
  parseDigest,
} from "./spec/digest.ts";
export type { ErrorCode, ErrorFacts } from "./spec/error_facts.ts";
export {
  DiffIdMismatchError,
  type DigestMismatch,
  DigestMismatchError,
  LimitError,
  OciError,
  type OciErrorOptions,
  PlatformError,
  UnsupportedDigestError,
} from "./spec/errors.ts";
export type {
  BlobAnswer,
  BlobReadOptions,
  BlobRetry,
  ImageDocument,
  RemoteImage,
  RemoteLayer,
} from "./spec/image/image.ts";
export type { ContainerConfig, HistoryEntry, ImageConfig } from "./spec/image/image_config.ts";
export type { Index, Manifest, ManifestDocument } from "./spec/image/manifest.ts";
export { formatPlatform, parsePlatform, type Platform } from "./spec/platform.ts";
export { digestAlgorithm, type Expectation } from "./spec/verifier.ts";
export type { ArtifactFile, PackArtifactOptions } from "./store/artifacts/artifact_content.ts";
export type {
  TrustedIdentity,
  TrustedKey,
  TrustedSigner,
} from "./store/attachments/trusted_signer.ts";
export type { OpenBlobOptions } from "./store/blobs/blob_stream.ts";
export { ContentStore } from "./store/content/content_store.ts";
export type {
  ContentStoreOptions,
  ReadBlobOptions,
} from "./store/content/content_store_options.ts";
export type { Hold } from "./store/content/hold.ts";
export type {
  BlobFollower,
  BlobSource,
  Ingestion,
  IngestOptions,
  IngestProgress,
} from "./store/downloads/ingest_options.ts";
export type { LayerListener } from "./store/content/ingest_layer.ts";
export type { StoredReference } from "./store/content/layout_index.ts";
export {
  ArchiveError,
  type ArchiveFault,
  ArtifactFileError,
  BundleError,
  DiskFullError,
  LockUnsupportedError,
  RuntimeError,
  type RuntimeErrorOptions,
  SignatureError,
  StoreError,
  UnpackError,
  type UnpackErrorOptions,
} from "./store/errors.ts";
export {
  type DirectoryFault,
  UntrustedStoreError,
  type UntrustedStoreErrorOptions,
} from "./store/host/private_directory.ts";
export {
  type FileFault,
  StoreFileError,
  type StoreFileErrorOptions,
} from "./store/host/open_regular_file.ts";
export type { Image, Layer, UncompressedOptions } from "./store/images/image.ts";
export type {
  CopyGraphOptions,
  CopyNode,
  CopyProgress,
  Replacement,
} from "./store/moving/copy_options.ts";
export type { LoadArchiveOptions, LoadedImage } from "./store/moving/load_archive.ts";
export type {
  ImageToSave,
  SaveArchiveOptions,
  SavedImage,
  SaveFormat,
} from "./store/moving/save_archive.ts";
export type { UnpackImageOptions, UnpackReport } from "./store/unpacking/unpack_image_options.ts";

/** The module of the command line. Importing its own type would download it as well. */
interface CommandLine {
  main(args: readonly string[]): Promise<number>;
}

/**
 * Loads the command line. With a literal specifier, importing this module would download it.
 *
 * Returns `undefined` if Deno may not read the checkout.
 */
async function loadCommandLine(): Promise<CommandLine | undefined> {
  const commandLine = new URL("./cli/main.ts", import.meta.url);
  try {
    return await import(commandLine.href);
  } catch (error) {
    if (commandLine.protocol !== "file:") throw error;
    const { state } = await Deno.permissions.query({ name: "read", path: commandLine });
    if (state === "granted") throw error;
    const { dirname } = import.meta;
    const line = `oci: cannot load the command line: reading "${dirname}" is not permitted. ` +
      `Run again with --allow-read=${dirname}\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(line));
    return undefined;
  }
}

if (import.meta.main) {
  const commandLine = await loadCommandLine();
  Deno.exitCode = commandLine === undefined ? 1 : await commandLine.main(Deno.args);
  // This call saves 10 ms. After an interruption (128 or more), it also abandons pending
  // operations, such as a write to a pipe that nobody reads. After other failures, Deno exits by
  // itself.
  if (Deno.exitCode === 0 || Deno.exitCode >= 128) Deno.exit();
}
