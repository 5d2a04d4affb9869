import { ArtifactError } from "../../registry/errors.ts";
import type { Digest } from "../../spec/digest.ts";
import { type Descriptor, embeddedData } from "../../spec/image/descriptor.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { checkLayerCount, parseConfigOrArtifact } from "../../spec/image/image_config.ts";
import { type Index, MAX_CONFIG_BYTES, MAX_LAYERS } from "../../spec/image/manifest.ts";
import { isConfigMediaType } from "../../spec/image/media_types.ts";
import { followPlatform } from "../../spec/image/platform_by_config.ts";
import type { Platform } from "../../spec/platform.ts";
import type { ContentStore } from "../content/content_store.ts";
import { type Image, storedLayer } from "./image.ts";
import {
  type DocumentSource,
  type ExpectedDocument,
  readStoredDocument,
} from "./stored_document.ts";

/** Options for {@linkcode readImage}. */
export interface ReadImageOptions {
  /**
   * Maximum number of layers.
   *
   * @default {256}
   */
  readonly maxLayers?: number | undefined;
  /**
   * Name of the image in errors.
   *
   * By default, the digest of the image.
   */
  readonly name?: string | undefined;
  /** Aborts the operation. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads an image from a store. Verifies its manifest, config and indexes. Does not read the layers,
 * but checks that their files exist and have not changed since they were last hashed.
 *
 * @param store The store.
 * @param digest Digest of the index or manifest of the image.
 * @param platform Platform to choose from an index.
 * @param options Limits.
 * @returns The image, or `undefined` if any part of it is not in the store.
 * @throws {DigestMismatchError} If a part of the image is corrupt.
 * @throws {PlatformError} If the index has no image for the platform.
 * @throws {ArtifactError} If the document is not an image.
 * @throws {LimitError} If the image has too many layers or nested indexes.
 * @throws {SyntaxError} If a document is not a valid manifest, index or config.
 *
 * @example Read an image of a store
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, readImage } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const platform = { os: "linux", architecture: "arm64" };
 * const { digest } = await pull("alpine:3.20", { store: "./store", platform });
 *
 * const image = await readImage(await ContentStore.open("./store"), digest, platform);
 *
 * assertEquals(image?.platform, platform);
 * ```
 */
export async function readImage(
  store: ContentStore,
  digest: Digest,
  platform: Platform,
  options: ReadImageOptions = {},
): Promise<Image | undefined> {
  const { maxLayers = MAX_LAYERS, name = digest, signal } = options;
  const context = { platform, maxLayers, name, signal };
  const image = await readDocuments(store, { digest }, context, (layer, diffId) => {
    return storedLayer(store, layer, diffId);
  });
  if (image === undefined) return undefined;
  const there = await Promise.all(
    image.layers.map(({ descriptor }) => store.verify(descriptor, signal)),
  );
  return there.includes(false) ? undefined : image;
}

export interface DocumentContext {
  readonly platform: Platform;
  readonly maxLayers: number;
  /** Name of the image in errors. */
  readonly name: string;
  readonly signal?: AbortSignal | undefined;
  /** Called with the digest of a missing document; may throw. */
  readonly onAbsent?: ((digest: Digest) => void) | undefined;
  /** Replaces the chosen entry of an index. */
  readonly replace?: ((chosen: Descriptor, index: Index) => Promise<Descriptor>) | undefined;
}

/** The documents of an image, and the layers that the callback created. */
type ReadImage<Layer> = Omit<RemoteImage, "layers"> & { readonly layers: readonly Layer[] };

/**
 * Reads and verifies the documents of an image; `undefined` if one is missing.
 *
 * @param root The index or manifest; one of another media type or size is refused.
 * @param layer Called to create a layer from its descriptor and its DiffID.
 */
export async function readDocuments<Layer>(
  store: DocumentSource,
  root: ExpectedDocument,
  context: DocumentContext,
  layer: (descriptor: Descriptor, diffId: Digest) => Layer,
): Promise<ReadImage<Layer> | undefined> {
  const { name } = context;
  const chain = await readChain(store, root, context);
  if (chain === undefined) return undefined;
  const { config: descriptor, layers, artifactType } = chain.manifest.value;
  if (!isConfigMediaType(descriptor.mediaType)) {
    throw new ArtifactError(name, descriptor.mediaType, artifactType);
  }
  const bytes = embeddedData(descriptor) ??
    await store.readBlob(descriptor, { maxBytes: MAX_CONFIG_BYTES });
  if (bytes === undefined) return void context.onAbsent?.(descriptor.digest);
  const value = parseConfigOrArtifact(bytes, chain.manifest.value);
  if (typeof value === "string") throw new ArtifactError(name, descriptor.mediaType, value);
  const { diffIds, platform } = value;
  checkLayerCount(name, chain.manifest.value, value);
  return {
    digest: root.digest,
    ...chain,
    config: { descriptor, bytes, value },
    platform,
    layers: diffIds.flatMap((diffId, i) => {
      const descriptor = layers[i];
      return descriptor === undefined ? [] : [layer(descriptor, diffId)];
    }),
  };
}

async function readChain(
  store: DocumentSource,
  root: ExpectedDocument,
  { platform, maxLayers, name, signal, onAbsent, replace }: DocumentContext,
): Promise<Pick<RemoteImage, "indexes" | "manifest"> | undefined> {
  const next = async (expected: ExpectedDocument) => {
    signal?.throwIfAborted();
    const document = await readStoredDocument(store, expected, maxLayers);
    if (document === undefined) onAbsent?.(expected.digest);
    return document;
  };
  return await followPlatform(await next(root), {
    platform,
    subject: name,
    read: (descriptor) => store.readBlob(descriptor, { maxBytes: MAX_CONFIG_BYTES }),
    next,
    replace,
  });
}
