import {
  type ImageClient,
  type ImageClientOptions,
  type ImageLocation,
  parseImageLocation,
  type Reference,
  RemoteClient,
} from "../registry/mod.ts";
import { ContentStore, type Image, LayoutClient } from "../store/mod.ts";
import { CachingPuller } from "./caching_puller.ts";
import { storeDirectory } from "./directory.ts";
import { LayoutHashCache } from "./hash_cache.ts";
import { LayoutImageCache } from "./layout_image_cache.ts";

/** Options for {@linkcode pull}. */
export interface PullOptions extends ImageClientOptions {
  /**
   * The directory of the store.
   *
   * @default What {@linkcode storeDirectory} says.
   */
  readonly store?: string;
  /**
   * How many blobs are downloaded at the same time.
   *
   * @default {6}
   */
  readonly jobs?: number;
  /**
   * Where images come from. The caller disposes of it.
   *
   * @default A {@linkcode RemoteClient} for this call.
   */
  readonly client?: ImageClient;
}

/**
 * Pulls an image into the store, if it is not there, and returns it: the short way to do what
 * {@linkcode CachingPuller} does with parts of one's own.
 *
 * An image in another OCI image layout, `oci:DIR[:NAME]` or `oci:DIR@DIGEST`, is copied from
 * there. As no request is saved by not looking, the policy is then `Always` by default.
 *
 * @param reference Such as `alpine:3.20`, `ghcr.io/owner/app@sha256:…` or `oci:./layout:v1`.
 * @param options Store, platform, credentials and the like.
 * @returns The image, complete, in the store.
 * @throws {SyntaxError} If `reference` is not one.
 * @throws {DigestMismatchError} If what comes is not what was promised.
 *
 * @example Copy an image from a layout
 * ```ts
 * import { pull } from "@x/oci";
 * import { assertRejects } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 *
 * // There is no layout, so there is nothing to pull.
 * await assertRejects(() => pull("oci:./no-layout", { store: directory }));
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function pull(
  reference: Reference | string,
  options: PullOptions = {},
): Promise<Image> {
  const { store: directory, jobs, client, ...imageOptions } = options;
  const location: ImageLocation = typeof reference === "string"
    ? parseImageLocation(reference)
    : { transport: "docker", reference };
  const store = await ContentStore.open(directory ?? storeDirectory());
  const hashes = new LayoutHashCache(store);
  const images = new LayoutImageCache(store, jobs === undefined ? {} : { jobs });
  switch (location.transport) {
    case "docker": {
      using own = new RemoteClient();
      const puller = new CachingPuller(hashes, images, client ?? own);
      return await puller.image(location.reference, imageOptions);
    }
    case "oci": {
      const layout = await LayoutClient.open(location);
      const puller = new CachingPuller(hashes, images, layout);
      return await puller.image(layout.reference, { pullPolicy: "Always", ...imageOptions });
    }
    default:
      throw new SyntaxError(
        `Cannot pull "${reference}": archives are not read yet; unpack it and pull "oci:DIR"`,
      );
  }
}
