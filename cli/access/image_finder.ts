import { NotCachedError } from "../../cache/errors.ts";
import { CachingPuller } from "../../cache/pulling/caching_puller.ts";
import { LayoutHashCache } from "../../cache/pulling/hash_cache.ts";
import { LayoutImageCache } from "../../cache/pulling/layout_image_cache.ts";
import type { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImageClientOptions } from "../../registry/image_client.ts";
import type {
  ArchiveLocation,
  ImageLocation,
  LayoutLocation,
} from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { describeError } from "../../spec/error_facts.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { MAX_MANIFEST_BYTES, parseManifest } from "../../spec/image/manifest.ts";
import { isRunnable } from "../../spec/image/platform_choice.ts";
import { formatPlatform, type Platform } from "../../spec/platform.ts";
import type { AttachmentSource } from "../../store/attachments/attachment_source.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import type { LayoutClient } from "../../store/images/layout_client.ts";
// Loaded with the command, because each later import takes more than a millisecond.
import "../../store/images/read_image.ts";
import type { Session } from "../frame/session.ts";
import { imageOptions, openClient } from "./client.ts";
import { isInStore, openStore } from "./store.ts";

/** An image with its name and source. */
export interface LocatedImage {
  readonly reference: Reference;
  readonly image: RemoteImage;
  readonly source: "store" | "registry" | "layout" | "archive";
}

/** The platforms of a multi-platform image. */
export interface ImagePlatforms {
  /** Digest of the index or manifest; absent for a layout or an archive. */
  readonly digest?: Digest | undefined;
  readonly platforms: readonly Platform[];
}

/** An index or a manifest, with its digest unless it comes from a layout or an archive. */
type FoundDocument = Pick<ImagePlatforms, "digest"> & { readonly bytes: Uint8Array };

/** Finds images in the store or the registry, following the pull policy. Stores nothing. */
export class ImageFinder implements Disposable {
  /** The store of the command. */
  readonly store: ContentStore;
  readonly #session: Session;
  readonly #client: RemoteClient;
  readonly #options: ImageClientOptions;
  readonly #hashes: LayoutHashCache;

  private constructor(
    session: Session,
    store: ContentStore,
    client: RemoteClient,
    options: ImageClientOptions,
  ) {
    this.#session = session;
    this.store = store;
    this.#client = client;
    this.#options = options;
    this.#hashes = new LayoutHashCache(store);
  }

  /** Creates a finder from the options. Its disposal also disposes of the client. */
  static async open(session: Session, client?: RemoteClient): Promise<ImageFinder> {
    const store = await openStore(session);
    const options = await imageOptions(session);
    return new ImageFinder(session, store, client ?? await openClient(session), options);
  }

  /** Finds an image for the requested platform. */
  async image(where: ImageLocation): Promise<LocatedImage> {
    if (where.transport !== "docker") {
      const client = await this.#openLocal(where);
      const { reference } = client;
      const image = await client.image(reference, this.#options);
      const source = isInStore(this.#session, where)
        ? "store"
        : where.transport === "oci"
        ? "layout"
        : "archive";
      return { reference, image, source };
    }
    const { reference } = where;
    if (this.#options.pullPolicy !== "Always") {
      const images = new LayoutImageCache(this.store);
      const puller = new CachingPuller(this.#hashes, images, this.#client);
      const { image, isCached } = await puller.find(reference, this.#options);
      return { reference, image, source: isCached ? "store" : "registry" };
    }
    const image = await this.#client.image(reference, this.#options);
    return { reference, image, source: "registry" };
  }

  /** Reads the bytes of the index or manifest; with `--platform`, of that platform's manifest. */
  async manifestBytes(where: ImageLocation): Promise<Uint8Array> {
    const { platform } = this.#options;
    if (platform !== undefined) return (await this.image(where)).image.manifest.bytes;
    return (await this.#document(where)).bytes;
  }

  /**
   * Returns the platforms of a multi-platform image, or none for other images, and the digest of its
   * index or manifest. Uses a stored one only if it is complete, or if the policy requires that.
   */
  async platforms(where: ImageLocation): Promise<ImagePlatforms> {
    const { bytes, digest } = await this.#document(where, true);
    const { kind, value } = parseManifest(bytes);
    if (kind === "manifest") return { digest, platforms: [] };
    const all = value.manifests.filter(isRunnable).flatMap(({ platform }) => platform ?? []);
    const platforms = new Map(all.map((platform) => [formatPlatform(platform), platform]));
    return { digest, platforms: [...platforms.values()] };
  }

  /** Reads an index or a manifest. With `isWhole`, prefers a stored one only if it is complete. */
  async #document(where: ImageLocation, isWhole = false): Promise<FoundDocument> {
    const { pullPolicy = "IfNotPresent", onWarning } = this.#options;
    if (where.transport !== "docker") {
      const client = await this.#openLocal(where);
      return { bytes: await client.document(client.reference, this.#options) };
    }
    const { reference } = where;
    const readStored = async () => {
      const digest = reference.digest ?? await this.#hashes.hash(reference);
      const options = { maxBytes: MAX_MANIFEST_BYTES };
      const bytes = digest && await this.store.readBlob({ digest }, options);
      if (bytes === undefined && pullPolicy === "Never") {
        throw new NotCachedError(reference, digest);
      }
      return digest && bytes && { bytes, digest };
    };
    if (pullPolicy === "IfNotPresent" || pullPolicy === "Never") {
      const stored = await readStored();
      const isEnough = !isWhole || pullPolicy === "Never";
      if (stored !== undefined && (isEnough || await this.#isComplete(stored))) return stored;
    }
    try {
      const { bytes, descriptor } = await this.#client.document(reference, this.#options);
      return { bytes, digest: descriptor.digest };
    } catch (error) {
      const { isTransient } = await import("../../registry/transport/retry.ts");
      const stored = pullPolicy === "Newer" && isTransient(error) ? await readStored() : undefined;
      if (stored === undefined) throw error;
      onWarning?.(`Using the image in the store: ${describeError(error)}`);
      return stored;
    }
  }

  async #isComplete(
    { bytes, digest }: { readonly bytes: Uint8Array; readonly digest: Digest },
  ): Promise<boolean> {
    const { isStored } = await import("../../store/moving/stored_graph.ts");
    const { mediaType } = parseManifest(bytes).value;
    return await isStored(this.store, { mediaType, digest, size: bytes.length });
  }

  /** Returns the sources of attachments of an image, in lookup order. */
  async attachments(
    where: ImageLocation,
    { reference, source }: LocatedImage,
  ): Promise<readonly AttachmentSource[]> {
    const { collectionAttachments, repositoryAttachments } = await import(
      "../../store/attachments/attachment_source.ts"
    );
    if (where.transport !== "docker") {
      const { collection } = await this.#openLocal(where);
      return [collectionAttachments(collection)];
    }
    const { auth, caCerts, onWarning, pullPolicy } = this.#options;
    const stored = source === "store" ? [collectionAttachments(this.store)] : [];
    if (pullPolicy === "Never") return stored;
    return [
      ...stored,
      repositoryAttachments(this.#client, reference, { auth, caCerts, onWarning }),
    ];
  }

  async #openLocal(where: LayoutLocation | ArchiveLocation): Promise<LayoutClient> {
    const { openLocalImage } = await import("./local_images.ts");
    return await openLocalImage(this.#session, where);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
