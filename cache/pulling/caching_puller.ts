import { hostPlatform } from "../../registry/host_platform.ts";
import type {
  FirstRead,
  ImageClient,
  ImageClientOptions,
  ImagePullPolicy,
  UpcomingLayer,
} from "../../registry/image_client.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { describeError, explainedError } from "../../spec/error_facts.ts";
import { DigestMismatchError, PlatformError } from "../../spec/errors.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { checkPlatform, checkTimes } from "../../spec/image/platform_choice.ts";
import { type Platform, toPlatform } from "../../spec/platform.ts";
import type { Image } from "../../store/images/image.ts";
import { NotCachedError } from "../errors.ts";
import type { ResolvingClient } from "../check_tag.ts";
import type { HashCache } from "./hash_cache.ts";
import type { ImageCache } from "./image_cache.ts";

export type { ResolvingClient };

/** Options for {@linkcode CachingPuller}. */
export interface CachingPullerOptions extends ImageClientOptions {
  /**
   * Whether to warn if the tag of a reference with a digest has moved to another digest, and not to
   * an index with that digest. Takes one request, or four for an index, even for an image in the
   * cache, unless the policy is `Never`.
   *
   * @default {false}
   */
  readonly checkTag?: boolean | undefined;
  /**
   * Called with each image before its layers are requested, before anything of it is stored, and
   * before it is returned. Throw an error to refuse the image, for example if it is not signed.
   * With this option, `firstReads` saves no round trip.
   *
   * @default All images are accepted.
   */
  readonly check?: ((image: RemoteImage) => Promise<void>) | undefined;
}

/** An image that was found but is not necessarily in the cache yet. */
export interface FoundImage {
  /** The image. If it is not in the cache, its documents are verified but its layers are not. */
  readonly image: RemoteImage;
  /** Whether the cache has the complete image. */
  readonly isCached: boolean;
  /**
   * Downloads the missing parts into the cache and records the digest of the reference.
   *
   * @returns The complete image in the cache.
   */
  keep(): Promise<Image>;
}

/** State of a reference in the caches. */
type Cached =
  | Complete
  | { readonly state: "corrupt"; readonly error: DigestMismatchError }
  | { readonly state: "absent"; readonly digest: Digest | undefined };

interface Complete {
  readonly state: "complete";
  readonly digest: Digest;
  readonly image: Image;
  /** Whether the digest is recorded for this reference. */
  readonly isRecorded: boolean;
}

/** Number of images that this process is requesting. */
let requested = 0;

const POLICIES: readonly ImagePullPolicy[] = ["Always", "IfNotPresent", "Never", "Newer"];

/**
 * Finds images in a cache and downloads missing ones into it.
 *
 * Pull policies:
 *
 * | policy | if the cache has the image | if not |
 * | --- | --- | --- |
 * | `IfNotPresent` | returns it | fetches it |
 * | `Always` | requests the digest, and fetches the image if that has changed | fetches it |
 * | `Newer` | like `Always`, but returns it with a warning if the registry cannot be reached | fetches it |
 * | `Never` | returns it | {@linkcode NotCachedError} |
 *
 * A reference with a digest cannot change: once the image is complete, no policy contacts the
 * registry again. `Newer` is podman's term and means a different digest rather than a later date.
 *
 * An incomplete image counts as missing; only its missing parts are fetched. Without a platform,
 * `Never` uses another one that is complete. Corrupt parts are fetched again with a warning;
 * `Never` fails with a {@linkcode DigestMismatchError}. Other errors are passed to the caller.
 *
 * @example Pull once, then work offline
 * ```ts
 * import { CachingPuller, LayoutHashCache, LayoutImageCache } from "@x/oci/cache";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { ContentStore } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const store = await ContentStore.open("./store");
 * using client = new RemoteClient();
 * const puller = new CachingPuller(
 *   new LayoutHashCache(store),
 *   new LayoutImageCache(store),
 *   client,
 * );
 * const reference = parseReference("alpine:3.20");
 *
 * const pulled = await puller.image(reference);
 * const cached = await puller.image(reference, { pullPolicy: "Never" });
 *
 * assertEquals(cached.digest, pulled.digest);
 * ```
 */
export class CachingPuller implements ImageClient {
  readonly #hashes: HashCache;
  readonly #images: ImageCache;
  readonly #client: ImageClient | ResolvingClient;

  /** Creates a puller from two caches and a client for images that they lack. */
  constructor(hashes: HashCache, images: ImageCache, client: ImageClient | ResolvingClient) {
    this.#hashes = hashes;
    this.#images = images;
    this.#client = client;
  }

  /**
   * Finds an image following the policy.
   *
   * @param reference Reference of the image.
   * @param options Policy, platform, credentials and callbacks.
   * @returns The complete image in the cache.
   * @throws {NotCachedError} If the policy is `Never` and the image is not complete.
   * @throws {DigestMismatchError} If content from the registry does not match its digest, or the
   * policy is `Never` and the image is corrupt.
   * @throws {RangeError} If the policy is invalid.
   */
  async image(reference: Reference, options: CachingPullerOptions = {}): Promise<Image> {
    const { firstReads = (layers) => this.firstReads(layers) } = options;
    const findOptions = { ...options, firstReads };
    return await this.#find(reference, findOptions, (found) => found.keep());
  }

  /**
   * Finds an image following the policy, without fetching its layers. Callers can fetch only some
   * layers or process them during the download. If they begin with what
   * {@linkcode CachingPuller.firstReads} returns, that option saves a round trip.
   *
   * @param reference Reference of the image.
   * @param options Policy, platform, credentials and callbacks.
   * @returns The image, with a method that completes it in the cache.
   * @throws {NotCachedError} If the policy is `Never` and the image is not complete.
   * @throws {DigestMismatchError} If content from the registry does not match its digest, or the
   * policy is `Never` and the image is corrupt.
   * @throws {RangeError} If the policy is invalid.
   */
  async find(reference: Reference, options: CachingPullerOptions = {}): Promise<FoundImage> {
    return await this.#find(reference, options, (found) => Promise.resolve(found));
  }

  /** Finds an image and passes it to `use`, whose failures the policy covers as well. */
  async #find<T>(
    reference: Reference,
    options: CachingPullerOptions,
    use: (found: FoundImage) => Promise<T>,
  ): Promise<T> {
    const finish = async (found: FoundImage) => {
      await this.#checkTag(reference, found, options);
      return await use(found);
    };
    const { pullPolicy = "IfNotPresent", signal } = options;
    if (!POLICIES.includes(pullPolicy)) {
      throw explainedError(RangeError, {
        code: "invalid-argument",
        action: "pull",
        problem: `"pullPolicy" must be one of ${POLICIES.join(", ")}, but it is ${pullPolicy}`,
        option: "pullPolicy",
      });
    }
    signal?.throwIfAborted();
    const cached = await this.#cached(reference, options);
    const isOffline = pullPolicy === "Never";
    if (cached.state === "corrupt") {
      if (isOffline) throw cached.error;
      options.onWarning?.(
        `Pulling "${formatReference(reference)}" again: ${describeError(cached.error)}`,
      );
    }
    if (cached.state === "absent" && isOffline) throw new NotCachedError(reference, cached.digest);
    if (cached.state !== "complete") {
      return await finish(await this.#fetch(reference, cached, options));
    }
    if (isOffline || pullPolicy === "IfNotPresent" || reference.digest !== undefined) {
      return await finish(await this.#useCached(reference, cached, options));
    }
    try {
      return await finish(await this.#refresh(reference, cached, options));
    } catch (error) {
      signal?.throwIfAborted();
      const { isTransient } = await import("../../registry/transport/retry.ts");
      if (pullPolicy !== "Newer" || !isTransient(error)) throw error;
      options.onWarning?.(`Using the image in the store: ${describeError(error)}`);
      return await finish(await this.#useCached(reference, cached, options));
    }
  }

  /** Warns if the tag of a reference with a digest has moved, if that is to be checked. */
  async #checkTag(
    reference: Reference,
    { image }: FoundImage,
    options: CachingPullerOptions,
  ): Promise<void> {
    if (!options.checkTag || options.pullPolicy === "Never" || !("resolve" in this.#client)) return;
    const { checkTag } = await import("../check_tag.ts");
    // Other images of an index need not exist for the requested platform.
    await checkTag(this.#client, reference, { ...options, platform: image.platform });
  }

  /**
   * Returns the reads with which the cache will begin to download layers.
   *
   * @param layers The layers of an image.
   */
  async firstReads(layers: readonly UpcomingLayer[]): Promise<readonly FirstRead[]> {
    return await this.#images.firstReads?.(layers) ?? [];
  }

  async #cached(reference: Reference, options: ImageClientOptions): Promise<Cached> {
    const recorded = await this.#hashes.hash(reference);
    const digest = reference.digest ?? recorded;
    if (digest === undefined) return { state: "absent", digest };
    try {
      const anyPlatform = options.pullPolicy === "Never" && options.platform === undefined;
      const image = await this.#images.image(digest, platformOf(options)) ??
        (anyPlatform ? await this.#images.storedImage?.(digest) : undefined);
      if (image === undefined) return { state: "absent", digest: recorded };
      refuseOther(reference, image, options);
      return { state: "complete", digest, image, isRecorded: recorded !== undefined };
    } catch (error) {
      if (error instanceof DigestMismatchError) return { state: "corrupt", error };
      // The tag may point to a different index by now.
      const mayChange = reference.digest === undefined && options.pullPolicy !== "Never";
      if (error instanceof PlatformError && mayChange) return { state: "absent", digest: recorded };
      throw error;
    }
  }

  async #refresh(
    reference: Reference,
    cached: Complete,
    options: CachingPullerOptions,
  ): Promise<FoundImage> {
    if ("resolve" in this.#client) {
      const { digest } = await this.#client.resolve(reference, options);
      if (digest === cached.digest) return await this.#useCached(reference, cached, options);
    }
    return await this.#fetch(reference, cached, options);
  }

  async #fetch(
    reference: Reference,
    cached: Cached,
    options: CachingPullerOptions,
  ): Promise<FoundImage> {
    const name = formatReference(reference);
    reportResolve(name, options);
    if (options.firstReads !== undefined) this.#images.expectImage?.();
    const remote = await this.#request(reference, options);
    refuseOther(reference, remote, options);
    if (cached.state === "complete" && cached.digest === remote.digest) {
      return await this.#useCached(reference, cached, options);
    }
    await options.check?.(remote);
    const keep = () => this.#store(reference, remote, options);
    return { image: remote, isCached: false, keep };
  }

  /**
   * Requests an image. While others are being requested, requests no layers early, because images
   * may share layers.
   */
  async #request(
    reference: Reference,
    { check, ...options }: CachingPullerOptions,
  ): Promise<RemoteImage> {
    const firstReads = check === undefined ? options.firstReads : undefined;
    requested++;
    try {
      return await this.#client.image(reference, {
        ...options,
        firstReads: firstReads && (async (layers) => requested > 1 ? [] : await firstReads(layers)),
      });
    } finally {
      requested--;
    }
  }

  async #useCached(
    reference: Reference,
    cached: Complete,
    options: CachingPullerOptions,
  ): Promise<FoundImage> {
    const { image, digest, isRecorded } = cached;
    await options.check?.(image);
    reportCached(reference, image, options);
    const keep = async () => {
      if (isRecorded || options.pullPolicy === "Never") return image;
      using hold = await this.#images.hold?.(options.signal);
      await hold?.add(digest);
      // Before the hold, another process may have pruned the image, which had no name.
      if (await this.#images.image(digest, platformOf(options)) === undefined) {
        return await (await this.#fetch(reference, { state: "absent", digest }, options)).keep();
      }
      await this.#record(reference, digest, options);
      return image;
    };
    return { image, isCached: true, keep };
  }

  /** Records the reference for content that was stored under another name. */
  async #record(
    reference: Reference,
    digest: Digest,
    { signal, onWarning }: ImageClientOptions,
  ): Promise<void> {
    try {
      await this.#hashes.writeHash(reference, digest, signal);
    } catch (error) {
      signal?.throwIfAborted();
      // A read-only cache still has the image.
      const reason = describeError(error);
      onWarning?.(`Cannot record "${formatReference(reference)}" in the cache: ${reason}`);
    }
  }

  async #store(
    reference: Reference,
    remote: RemoteImage,
    { signal, onProgress }: ImageClientOptions,
  ): Promise<Image> {
    using _hold = await this.#images.hold?.(signal);
    const image = await this.#images.writeImage(remote, {
      name: formatReference(reference),
      signal,
      onProgress,
    });
    await this.#hashes.writeHash(reference, remote.digest, signal);
    return image;
  }
}

function platformOf({ platform }: ImageClientOptions): Platform | undefined {
  return platform === undefined ? undefined : toPlatform(platform);
}

/** With `strictPlatform`, refuses an image that is only for another platform. */
function refuseOther(
  reference: Reference,
  { platform }: Pick<RemoteImage, "platform">,
  options: ImageClientOptions,
): void {
  const { strictPlatform } = options;
  const wanted = platformOf(options) ?? hostPlatform();
  checkPlatform(formatReference(reference), platform, wanted, { strictPlatform });
}

/** Reports every blob as cached, and the warnings that a registry client would report. */
function reportCached(reference: Reference, image: Image, options: ImageClientOptions): void {
  const { onProgress, onWarning } = options;
  const ref = formatReference(reference);
  const wanted = platformOf(options) ?? hostPlatform();
  checkPlatform(ref, image.platform, wanted, { onWarning });
  checkTimes(ref, image.config.value, onWarning);
  if (onProgress === undefined) return;
  const blobs = new Map(image.layers.map(({ digest, size }) => [digest, size]));
  const done = (bytes: number) => ({
    time: Date.now(),
    reference: ref,
    phase: "done" as const,
    bytes,
    total: bytes,
    resumed: 0,
    retries: 0,
    cached: true,
  });
  for (const [digest, size] of blobs) onProgress({ kind: "layer", digest, ...done(size) });
  onProgress({ kind: "total", ...done(blobs.values().reduce((sum, size) => sum + size, 0)) });
}

function reportResolve(reference: string, { onProgress }: ImageClientOptions): void {
  const nothing = { bytes: 0, total: 0, resumed: 0, retries: 0, cached: false };
  onProgress?.({ kind: "total", time: Date.now(), reference, phase: "resolve", ...nothing });
}
