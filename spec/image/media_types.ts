/** Media type of an OCI image manifest. */
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
/** Media type of an OCI image index. */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
/** Media type of an OCI image config. */
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
/** Media type of an uncompressed OCI layer; `+gzip` or `+zstd` may be appended. */
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
/** Media type of the empty JSON object, the config of many artifacts. */
export const OCI_EMPTY = "application/vnd.oci.empty.v1+json";
/** Media type of a Docker image manifest, version 2, schema 2. */
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
/** Media type of a Docker manifest list. */
export const DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
/** Media type of a Docker image config. */
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
/** Media type of a Docker layer, compressed with gzip. */
export const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/** Compression of a layer. */
export type Compression = "none" | "gzip" | "zstd";

/** Meaning of the media type of a layer. */
export interface LayerMediaType {
  /** Compression according to the media type. */
  readonly compression: Compression;
  /** Whether the layer is non-distributable: `urls` of the descriptor serve it, and it is not pushed. */
  readonly nondistributable: boolean;
}

/** Media types of layers, with the mark of non-distributable ones and the compression. */
const LAYER_TYPES = [
  /^application\/vnd\.oci\.image\.layer\.(nondistributable\.)?v1\.tar(?:\+(gzip|zstd))?$/,
  /^application\/vnd\.docker\.image\.rootfs\.(foreign\.)?diff\.tar(?:\.(gzip|zstd))?$/,
];

/**
 * Parses the media type of a layer.
 *
 * @param mediaType A media type such as `application/vnd.oci.image.layer.v1.tar+zstd`.
 * @returns Its meaning, or `undefined` if it is not the media type of a layer.
 *
 * @example Get the compression of a layer
 * ```ts
 * import { layerMediaType } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = layerMediaType("application/vnd.oci.image.layer.v1.tar+zstd");
 *
 * assertEquals(layer?.compression, "zstd");
 * assertEquals(layerMediaType("text/plain"), undefined);
 * ```
 */
export function layerMediaType(mediaType: string): LayerMediaType | undefined {
  for (const pattern of LAYER_TYPES) {
    const [type, restricted, compression = "none"] = pattern.exec(mediaType) ?? [];
    if (type === undefined) continue;
    return { compression: compression as Compression, nondistributable: restricted !== undefined };
  }
  return undefined;
}

/**
 * Whether a media type denotes an index (a multi-platform image).
 *
 * @param mediaType A media type, without parameters.
 * @returns Whether it is an OCI index or a Docker manifest list.
 *
 * @example Recognize an index
 * ```ts
 * import { isIndexMediaType, OCI_INDEX, OCI_MANIFEST } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * assert(isIndexMediaType(OCI_INDEX));
 * assert(isIndexMediaType("application/vnd.docker.distribution.manifest.list.v2+json"));
 * assert(!isIndexMediaType(OCI_MANIFEST));
 * ```
 */
export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_MANIFEST_LIST;
}

/**
 * Whether a media type denotes a manifest (of an image for one platform, or of an artifact).
 *
 * @param mediaType A media type, without parameters.
 * @returns Whether it is an OCI manifest or a Docker manifest of schema 2.
 *
 * @example Recognize a manifest
 * ```ts
 * import { isManifestMediaType, OCI_INDEX, OCI_MANIFEST } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * assert(isManifestMediaType(OCI_MANIFEST));
 * assert(isManifestMediaType("application/vnd.docker.distribution.manifest.v2+json"));
 * assert(!isManifestMediaType(OCI_INDEX));
 * ```
 */
export function isManifestMediaType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

/**
 * Whether a media type denotes a document that references other content: a manifest or an index.
 *
 * @param mediaType A media type, without parameters.
 * @returns Whether it is an OCI or a Docker manifest or index.
 *
 * @example Tell documents from blobs
 * ```ts
 * import { isDocumentMediaType, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * assert(isDocumentMediaType(OCI_INDEX));
 * assert(isDocumentMediaType(OCI_MANIFEST));
 * assert(!isDocumentMediaType(OCI_LAYER));
 * ```
 */
export function isDocumentMediaType(mediaType: string): boolean {
  return isManifestMediaType(mediaType) || isIndexMediaType(mediaType);
}

/**
 * Whether a media type denotes the config of an image, not of an artifact.
 *
 * @param mediaType A media type, without parameters.
 * @returns Whether it is an OCI or a Docker image config.
 *
 * @example Tell an image from an artifact by its config
 * ```ts
 * import { isConfigMediaType, OCI_CONFIG, OCI_EMPTY } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * assert(isConfigMediaType(OCI_CONFIG));
 * assert(!isConfigMediaType(OCI_EMPTY));
 * ```
 */
export function isConfigMediaType(mediaType: string): boolean {
  return mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG;
}
