import type { Digest } from "../../spec/digest.ts";
import { MAX_LAYERS } from "../../spec/manifest.ts";
import type { Platform } from "../../spec/platform.ts";
import { readImageDocuments } from "./_image_documents.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { Image } from "./image.ts";

/** Options for {@linkcode readImage}. */
export interface ReadImageOptions {
  /**
   * The most layers that are accepted.
   *
   * @default {256}
   */
  readonly maxLayers?: number | undefined;
  /**
   * What the image is called in errors.
   *
   * @default Its digest.
   */
  readonly name?: string | undefined;
  /** Stops the reading. */
  readonly signal?: AbortSignal | undefined;
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
 * @throws {ArtifactError} If it is not an image.
 * @throws {LimitError} If it has too many layers, or indexes in indexes.
 *
 * @example An image that is not there
 * ```ts
 * import { digestOf, parsePlatform } from "@x/oci/spec";
 * import { ContentStore, readImage } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const store = await ContentStore.open(directory);
 * const digest = digestOf(new Uint8Array());
 *
 * assertEquals(await readImage(store, digest, parsePlatform("linux/amd64")), undefined);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function readImage(
  store: ContentStore,
  digest: Digest,
  platform: Platform,
  options: ReadImageOptions = {},
): Promise<Image | undefined> {
  const { maxLayers = MAX_LAYERS, name = digest, signal } = options;
  const image = await readImageDocuments(store, digest, { platform, maxLayers, name, signal });
  if (image === undefined) return undefined;
  const there = await Promise.all(
    image.layers.map(({ descriptor }) => store.verify(descriptor, signal)),
  );
  return there.includes(false) ? undefined : image;
}
