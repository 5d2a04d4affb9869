import {
  type Compression,
  type Descriptor,
  type Digest,
  type DigestAlgorithm,
  digestOf,
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  parsePlatform,
  type Platform,
} from "../../spec/mod.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import { type Content, gzip, toUint8Array, zstd } from "./tar.ts";

/** Bytes and their descriptor. */
export interface BuiltBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A manifest or an index, and every blob that it leads to, including itself. */
export interface Built extends BuiltBlob {
  readonly blobs: ReadonlyMap<Digest, BuiltBlob>;
}

/** A layer of a built image. */
export interface BuiltLayer extends BuiltBlob {
  readonly diffId: Digest;
  /** The uncompressed bytes. */
  readonly tar: Uint8Array;
}

/** An image of one platform. */
export interface BuiltImage extends Built {
  readonly config: BuiltBlob;
  readonly layers: readonly BuiltLayer[];
  readonly platform: Platform;
}

/** A layer for {@linkcode buildImage} that differs from the options of the image. */
export interface LayerInput {
  readonly tar: Uint8Array;
  readonly compression?: Compression;
  /** The blob, in place of compressing `tar`. */
  readonly blob?: Uint8Array;
  readonly mediaType?: string;
  /** DiffID in the config. */
  readonly diffId?: Digest;
  /** Further members of the descriptor. */
  readonly descriptor?: Partial<Descriptor>;
}

export interface BuildImageOptions {
  /** Archives, the base first. */
  readonly layers?: readonly (Uint8Array | LayerInput)[];
  /** The member `config` of the config: `Cmd`, `Env` and so on. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Further members of the config blob, or other values for those it has. */
  readonly configBlob?: Readonly<Record<string, unknown>>;
  /** @default {"linux/amd64"} */
  readonly platform?: string | Platform;
  /** @default {"oci"} */
  readonly mediaTypes?: "oci" | "docker";
  /** @default {"gzip"} */
  readonly compression?: Compression;
  /** @default {"sha256"} */
  readonly algorithm?: DigestAlgorithm;
  /** Further members of the manifest, or other values for those it has. */
  readonly manifest?: Readonly<Record<string, unknown>>;
}

/** Builds an image of one platform. */
export function buildImage(options: BuildImageOptions = {}): BuiltImage {
  const { layers = [], mediaTypes = "oci", compression = "gzip", algorithm = "sha256" } = options;
  const { platform: wanted = "linux/amd64" } = options;
  const platform = typeof wanted === "string" ? parsePlatform(wanted) : wanted;
  const docker = mediaTypes === "docker";
  const built = layers.map((input) =>
    buildLayer(input instanceof Uint8Array ? { tar: input } : input, {
      compression,
      docker,
      algorithm,
    })
  );
  const config = jsonBlob(docker ? DOCKER_CONFIG : OCI_CONFIG, {
    created: "2020-01-01T00:00:00Z",
    ...platform,
    config: options.config ?? {},
    rootfs: { type: "layers", diff_ids: built.map(({ diffId }) => diffId) },
    history: built.map((_, i) => ({ created: "2020-01-01T00:00:00Z", created_by: `layer ${i}` })),
    ...options.configBlob,
  }, algorithm);
  const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const manifest = jsonBlob(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: config.descriptor,
    layers: built.map(({ descriptor }) => descriptor),
    ...options.manifest,
  }, algorithm);
  return { ...withBlobs(manifest, [config, ...built]), config, layers: built, platform };
}

function buildLayer(
  input: LayerInput,
  options: { compression: Compression; docker: boolean; algorithm: DigestAlgorithm },
): BuiltLayer {
  const { tar, compression = options.compression } = input;
  const bytes = new Uint8Array(
    input.blob ?? (compression === "gzip" ? gzip(tar) : compression === "zstd" ? zstd(tar) : tar),
  );
  const mediaType = input.mediaType ?? layerType(compression, options.docker);
  const blob = blobOf(mediaType, bytes, options.algorithm);
  return {
    bytes,
    descriptor: { ...blob.descriptor, ...input.descriptor },
    diffId: input.diffId ?? digestOf(tar, options.algorithm),
    tar,
  };
}

function layerType(compression: Compression, docker: boolean): string {
  if (!docker) return compression === "none" ? OCI_LAYER : `${OCI_LAYER}+${compression}`;
  const plain = DOCKER_LAYER.replace(/\.gzip$/, "");
  return compression === "none" ? plain : `${plain}.${compression}`;
}

export interface BuildIndexOptions {
  /** @default {"oci"} */
  readonly mediaTypes?: "oci" | "docker";
  /** @default {"sha256"} */
  readonly algorithm?: DigestAlgorithm;
  /** Further members of the index, or other values for those it has. */
  readonly index?: Readonly<Record<string, unknown>>;
}

/** An entry for {@linkcode buildIndex} that differs from its image. */
export interface IndexEntryInput {
  readonly built: Built;
  /** Further members of the descriptor; `platform: undefined` leaves the platform out. */
  readonly descriptor?: { readonly [K in keyof Descriptor]?: Descriptor[K] | undefined };
}

/** Builds an index of images, or of indexes. */
export function buildIndex(
  entries: readonly (Built | IndexEntryInput)[],
  options: BuildIndexOptions = {},
): Built {
  const inputs = entries.map((entry) => "built" in entry ? entry : { built: entry });
  const mediaType = options.mediaTypes === "docker" ? DOCKER_MANIFEST_LIST : OCI_INDEX;
  const index = jsonBlob(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: inputs.map(({ built, descriptor }) => ({
      ...built.descriptor,
      ..."platform" in built ? { platform: built.platform } : {},
      ...descriptor,
    })),
    ...options.index,
  }, options.algorithm);
  return withBlobs(index, inputs.flatMap(({ built }) => [...built.blobs.values()]));
}

/** Nests an image in `depth` indexes, each of which names the next one `width` times. */
export function nestedIndex(depth: number, image: Built, width = 1): Built {
  let outermost = image;
  for (let i = 0; i < depth; i++) outermost = buildIndex(Array<Built>(width).fill(outermost));
  return outermost;
}

export interface BuildArtifactOptions {
  readonly artifactType: string;
  /** Subject of the artifact. */
  readonly subject?: Descriptor;
  /** Its only layer. */
  readonly content?: Content;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Builds the manifest of an artifact, such as a signature or an SBOM. */
export function buildArtifact(options: BuildArtifactOptions): Built {
  const { artifactType, subject, content = "{}", annotations } = options;
  const config = blobOf(OCI_EMPTY, toUint8Array("{}"));
  const layer = blobOf(artifactType, toUint8Array(content));
  return manifestOf(config, [layer], { artifactType, subject, annotations });
}

/** Builds a manifest of blobs. */
export function manifestOf(
  config: BuiltBlob,
  layers: readonly BuiltBlob[],
  more: Readonly<Record<string, unknown>> = {},
): Built {
  const manifest = jsonBlob(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    ...more,
  });
  return withBlobs(manifest, [config, ...layers]);
}

/** Bytes with their descriptor. */
export function blobOf(
  mediaType: string,
  bytes: Uint8Array<ArrayBuffer>,
  algorithm?: DigestAlgorithm,
): BuiltBlob {
  return {
    bytes,
    descriptor: { mediaType, digest: digestOf(bytes, algorithm), size: bytes.length },
  };
}

/** A JSON document with its descriptor. */
export function jsonBlob(
  mediaType: string,
  value: unknown,
  algorithm?: DigestAlgorithm,
): BuiltBlob {
  return blobOf(mediaType, toUint8Array(JSON.stringify(value)), algorithm);
}

/** Any manifest, valid or not, with its blobs. */
export function withBlobs(manifest: BuiltBlob, blobs: readonly BuiltBlob[]): Built {
  const all = [...blobs, manifest].map((blob) => [blob.descriptor.digest, blob] as const);
  return { ...manifest, blobs: new Map(all) };
}

/** Puts the blobs of documents into a store, which gives them no names. */
export async function putBlobs(
  store: Pick<ContentStore, "putBytes">,
  ...built: readonly Pick<Built, "blobs">[]
): Promise<void> {
  for (const { descriptor, bytes } of built.flatMap(({ blobs }) => [...blobs.values()])) {
    await store.putBytes(descriptor, bytes);
  }
}

export { MemoryContent } from "./memory_content.ts";
