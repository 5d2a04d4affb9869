import { ArtifactError } from "../registry/mod.ts";
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  type Expectation,
  type ImageConfig,
  type ImageDocument,
  type Index,
  isConfigMediaType,
  LimitError,
  type Manifest,
  MAX_CONFIG_BYTES,
  MAX_LAYERS,
  MAX_MANIFEST_BYTES,
  parseImageConfig,
  parseManifest,
  type Platform,
} from "../spec/mod.ts";
import type { ContentStore } from "./content_store.ts";
import { type Image, StoredLayer } from "./image.ts";

/** How deep indexes may lie in indexes. */
const MAX_INDEX_DEPTH = 8;

/** Options for {@linkcode readImage}. */
export interface ReadImageOptions {
  /**
   * The most layers that are accepted.
   *
   * @default {256}
   */
  readonly maxLayers?: number;
  /** What the image is called in errors. */
  readonly name?: string;
  /** Stops the reading. */
  readonly signal?: AbortSignal;
}

/**
 * Reads an image out of a store: a manifest and a config, an index or two, each verified. Its
 * layers are not read but are known to be there and, since they were last hashed, unchanged.
 *
 * @param store The store.
 * @param digest The image's index or manifest.
 * @param platform What is chosen from an index.
 * @param options Limits.
 * @returns The image, or `undefined` if any part of it is not in the store.
 * @throws {DigestMismatchError} If a part of it is there but corrupt.
 * @throws {PlatformError} If the index has nothing for the platform.
 */
export async function readImage(
  store: ContentStore,
  digest: Digest,
  platform: Platform,
  options: ReadImageOptions = {},
): Promise<Image | undefined> {
  const { maxLayers = MAX_LAYERS, name = digest, signal } = options;
  const indexes: ImageDocument<Index>[] = [];
  let expected: Expectation & { readonly mediaType?: string } = { digest };
  for (;;) {
    signal?.throwIfAborted();
    const bytes = await store.readBlob(expected, { maxBytes: MAX_MANIFEST_BYTES });
    if (bytes === undefined) return undefined;
    const { kind, value } = parseManifest(bytes, expected.mediaType, maxLayers);
    const descriptor: Descriptor = {
      mediaType: value.mediaType,
      digest: expected.digest,
      size: bytes.length,
    };
    if (kind === "manifest") {
      const manifest = { descriptor, bytes, value };
      return await readManifestImage(store, { digest, indexes, manifest }, name, signal);
    }
    if (indexes.length === MAX_INDEX_DEPTH) {
      throw new LimitError("nested indexes", MAX_INDEX_DEPTH, MAX_INDEX_DEPTH + 1, name);
    }
    indexes.push({ descriptor, bytes, value });
    expected = choosePlatform(value, platform, name);
  }
}

async function readManifestImage(
  store: ContentStore,
  found: Pick<Image, "digest" | "indexes"> & { readonly manifest: ImageDocument<Manifest> },
  name: string,
  signal: AbortSignal | undefined,
): Promise<Image | undefined> {
  const { config: configDescriptor, layers, artifactType } = found.manifest.value;
  if (!isConfigMediaType(configDescriptor.mediaType)) {
    throw new ArtifactError(name, configDescriptor.mediaType, artifactType);
  }
  const bytes = await store.readBlob(configDescriptor, { maxBytes: MAX_CONFIG_BYTES });
  if (bytes === undefined) return undefined;
  const value = parseImageConfig(bytes);
  const there = await Promise.all(layers.map((layer) => store.verify(layer, signal)));
  if (there.includes(false)) return undefined;
  const config: ImageDocument<ImageConfig> = { descriptor: configDescriptor, bytes, value };
  return {
    ...found,
    config,
    platform: value.platform,
    layers: pairLayers(layers, value.diffIds, name)
      .map(([descriptor, diffId]) => new StoredLayer(store, descriptor, diffId)),
  };
}

/** Each layer with the DiffID that the config has for it. */
function pairLayers(
  layers: readonly Descriptor[],
  diffIds: readonly Digest[],
  name: string,
): readonly (readonly [Descriptor, Digest])[] {
  return layers.map((layer, i) => {
    const diffId = diffIds[i];
    if (diffId === undefined || diffIds.length !== layers.length) {
      throw new SyntaxError(
        `Cannot read config.rootfs.diff_ids of "${name}" as it must have one entry per layer: ` +
          `it has ${diffIds.length} for ${layers.length} layers`,
      );
    }
    return [layer, diffId] as const;
  });
}
