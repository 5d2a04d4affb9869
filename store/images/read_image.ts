import type { Digest } from "../../spec/digest.ts";
import { MAX_LAYERS } from "../../spec/manifest.ts";
import type { Platform } from "../../spec/platform.ts";
import { readImageDocuments } from "./_image_documents.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { Image } from "./image.ts";

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
   * @default The digest of the image.
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
 *
 * @example Look up a missing image
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
