import { hostPlatform } from "../../registry/host_platform.ts";
import type {
  FirstRead,
  ImageClient,
  ImageClientOptions,
  ImageProgress,
  ImagePullPolicy,
  UpcomingLayer,
} from "../../registry/image_client.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { describeError, explainedError } from "../../spec/error_facts.ts";
import { DigestMismatchError, PlatformError } from "../../spec/errors.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { checkPlatform, checkTimes, platformFit } from "../../spec/image/platform_choice.ts";
import { type Platform, toPlatform } from "../../spec/platform.ts";
import type { Image } from "../../store/images/image.ts";
import type { ResolvingClient } from "../check_tag.ts";
import { NotCachedError } from "../errors.ts";
import type { PullOptions } from "../pull_options.ts";
import type { HashCache } from "./hash_cache.ts";
import type { ImageCache } from "./image_cache.ts";

/** Options for {@linkcode CachingPuller}. */
export interface CachingPullerOptions
  extends ImageClientOptions, Pick<PullOptions, "checkTag" | "digest"> {
  /**
   * Called with each image before its layers are requested, before anything of it is stored, and
   * before it is returned. Throw an error to refuse the image, for example if it is not signed.
   * With this option, `firstReads` saves no round trip.
   *
   * By default, all images are accepted.
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
 * If a platform is requested and the cached image is for another one, `IfNotPresent` asks the registry
 * like `Newer`, and also uses the cached image, with a warning, if the registry does not have the
 * reference.
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
  readonly #parts: PullerParts;

  /** Creates a puller from two caches and a client for images that they lack. */
  constructor(hashes: HashCache, images: ImageCache, client: ImageClient | ResolvingClient) {
    this.#parts = { hashes, images, client };
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
    const lookup = new ImageLookup(this.#parts, reference, { ...options, firstReads });
    return await lookup.run((found) => found.keep());
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
    return await new ImageLookup(this.#parts, reference, options).run((found) => {
      return Promise.resolve(found);
    });
  }

  /**
   * Returns the reads with which the cache will begin to download layers.
   *
   * @param layers The layers of an image.
   */
  async firstReads(layers: readonly UpcomingLayer[]): Promise<readonly FirstRead[]> {
    return await this.#parts.images.firstReads?.(layers) ?? [];
  }
}

interface PullerParts {
  readonly hashes: HashCache;
  readonly images: ImageCache;
  readonly client: ImageClient | ResolvingClient;
}

/** The search for one image. */
class ImageLookup {
  readonly #parts: PullerParts;
  readonly #reference: Reference;
  /** The reference, with the digest of the image unless the tag decides. */
  readonly #wanted: Reference;
  readonly #name: string;
  readonly #options: CachingPullerOptions;
  readonly #policy: ImagePullPolicy;

  constructor(parts: PullerParts, reference: Reference, options: CachingPullerOptions) {
    this.#parts = parts;
    this.#reference = reference;
    const { digest } = options;
    this.#wanted = digest === undefined ? reference : { digest, ...reference };
    this.#name = formatReference(reference);
    this.#options = options;
    this.#policy = options.pullPolicy ?? "IfNotPresent";
    checkPolicy(this.#policy);
  }

  /** Finds the image and passes it to `use`, whose failures the policy covers as well. */
  async run<T>(use: (found: FoundImage) => Promise<T>): Promise<T> {
    const finish = async (found: FoundImage) => {
      await this.#checkTag(found);
      return await use(found);
    };
    const policy = this.#policy;
    const { signal, onWarning } = this.#options;
    signal?.throwIfAborted();
    const cached = await this.#cached();
    const isOffline = policy === "Never";
    if (cached.state === "corrupt") {
      if (isOffline) throw cached.error;
      onWarning?.(`Pulling "${this.#name}" again: ${describeError(cached.error)}`);
    }
    if (cached.state === "absent" && isOffline) {
      throw new NotCachedError(this.#wanted, cached.digest);
    }
    if (cached.state !== "complete") return await finish(await this.#fetch(cached));
    const isFixed = isOffline || this.#wanted.digest !== undefined;
    if (isFixed || (policy === "IfNotPresent" && this.#isWanted(cached.image))) {
      return await finish(await this.#useCached(cached));
    }
    let refreshed: FoundImage | undefined;
    try {
      refreshed = await this.#refresh(cached);
      return await finish(refreshed);
    } catch (error) {
      signal?.throwIfAborted();
      if (!await this.#mayUseCached(error, refreshed)) throw error;
      onWarning?.(`Using the image in the store: ${describeError(error)}`);
      return await finish(await this.#useCached(cached));
    }
  }

  /** Whether an image is for the requested platform, if one is requested. */
  #isWanted({ platform }: Pick<RemoteImage, "platform">): boolean {
    return this.#platform === undefined || platformFit(platform, this.#platform) >= 0;
  }

  /** Whether to use the image in the store after an error, before or after another one was found. */
  async #mayUseCached(error: unknown, refreshed: FoundImage | undefined): Promise<boolean> {
    if (this.#policy === "IfNotPresent") {
      // Once the image for the platform is found, one for another platform cannot replace it.
      return refreshed === undefined && !(error instanceof PlatformError);
    }
    const { isTransient } = await import("../../registry/transport/retry.ts");
    return this.#policy === "Newer" && isTransient(error);
  }

  /** Warns if the tag of a reference with a digest has moved, if that is to be checked. */
  async #checkTag({ image }: FoundImage): Promise<void> {
    const isChecked = this.#options.checkTag && this.#policy !== "Never";
    const { client } = this.#parts;
    if (!isChecked || !("resolve" in client)) return;
    const { checkTag } = await import("../check_tag.ts");
    // Other images of an index need not exist for the requested platform.
    const options = { ...this.#options, platform: image.platform };
    await checkTag(client, this.#reference, options);
  }

  async #cached(): Promise<Cached> {
    const isOffline = this.#policy === "Never";
    const recorded = await this.#parts.hashes.hash(this.#reference);
    const digest = this.#wanted.digest ?? recorded;
    const isRecorded = recorded === digest;
    if (digest === undefined) return { state: "absent", digest };
    try {
      const anyPlatform = isOffline && this.#platform === undefined;
      const image = await this.#parts.images.image(digest, this.#platform) ??
        (anyPlatform ? await this.#parts.images.storedImage?.(digest) : undefined);
      if (image === undefined) return { state: "absent", digest: isRecorded ? digest : undefined };
      this.#refuseOther(image);
      return { state: "complete", digest, image, isRecorded };
    } catch (error) {
      if (error instanceof DigestMismatchError) return { state: "corrupt", error };
      // The tag may point to a different index by now.
      const mayChange = this.#wanted.digest === undefined && !isOffline;
      if (error instanceof PlatformError && mayChange) return { state: "absent", digest: recorded };
      throw error;
    }
  }

  async #refresh(cached: Complete): Promise<FoundImage> {
    const { client } = this.#parts;
    if ("resolve" in client) {
      const { digest } = await client.resolve(this.#reference, this.#options);
      if (digest === cached.digest) return await this.#useCached(cached);
    }
    return await this.#fetch(cached);
  }

  async #fetch(cached: Cached): Promise<FoundImage> {
    this.#report({ kind: "total", phase: "resolve", bytes: 0, total: 0, cached: false });
    if (this.#options.firstReads !== undefined) this.#parts.images.expectImage?.();
    const remote = await this.#request();
    this.#refuseOther(remote);
    if (cached.state === "complete" && cached.digest === remote.digest) {
      return await this.#useCached(cached);
    }
    await this.#options.check?.(remote);
    return { image: remote, isCached: false, keep: () => this.#store(remote) };
  }

  /**
   * Requests the image. While others are being requested, requests no layers early, because images
   * may share layers.
   */
  async #request(): Promise<RemoteImage> {
    const { check, onProgress, ...options } = this.#options;
    const firstReads = check === undefined ? options.firstReads : undefined;
    requested++;
    try {
      return await this.#parts.client.image(this.#wanted, {
        ...options,
        onProgress: onProgress && ((event) => onProgress({ ...event, reference: this.#name })),
        firstReads: firstReads && (async (layers) => requested > 1 ? [] : await firstReads(layers)),
      });
    } finally {
      requested--;
    }
  }

  async #useCached({ image, digest, isRecorded }: Complete): Promise<FoundImage> {
    await this.#options.check?.(image);
    this.#reportCached(image);
    const keep = async () => {
      if (isRecorded || this.#policy === "Never") return image;
      using hold = await this.#parts.images.hold?.(this.#options.signal);
      await hold?.add(digest);
      // Before the hold, another process may have pruned the image, which had no name.
      if (await this.#parts.images.image(digest, this.#platform) === undefined) {
        return await (await this.#fetch({ state: "absent", digest })).keep();
      }
      await this.#record(digest);
      return image;
    };
    return { image, isCached: true, keep };
  }

  /** Records the reference for content that was stored under another name. */
  async #record(digest: Digest): Promise<void> {
    const { signal, onWarning } = this.#options;
    try {
      await this.#parts.hashes.writeHash(this.#reference, digest, signal);
    } catch (error) {
      signal?.throwIfAborted();
      // A read-only cache still has the image.
      onWarning?.(`Cannot record "${this.#name}" in the cache: ${describeError(error)}`);
    }
  }

  async #store(remote: RemoteImage): Promise<Image> {
    const { signal, onProgress } = this.#options;
    using _hold = await this.#parts.images.hold?.(signal);
    const image = await this.#parts.images.writeImage(remote, {
      name: this.#name,
      signal,
      onProgress,
    });
    await this.#parts.hashes.writeHash(this.#reference, remote.digest, signal);
    return image;
  }

  get #platform(): Platform | undefined {
    const { platform } = this.#options;
    return platform === undefined ? undefined : toPlatform(platform);
  }

  /** With `strictPlatform`, refuses an image that is only for another platform. */
  #refuseOther({ platform }: Pick<RemoteImage, "platform">): void {
    const { strictPlatform } = this.#options;
    checkPlatform(this.#name, platform, this.#platform ?? hostPlatform(), { strictPlatform });
  }

  /** Reports every blob as cached, and the warnings that a registry client would report. */
  #reportCached({ platform, config, layers }: Image): void {
    const { onProgress, onWarning } = this.#options;
    checkPlatform(this.#name, platform, this.#platform ?? hostPlatform(), { onWarning });
    checkTimes(this.#name, config.value, onWarning);
    if (onProgress === undefined) return;
    const blobs = new Map(layers.map(({ digest, size }) => [digest, size]));
    const done = (bytes: number) => ({ phase: "done", bytes, total: bytes, cached: true }) as const;
    for (const [digest, size] of blobs) this.#report({ kind: "layer", digest, ...done(size) });
    this.#report({ kind: "total", ...done(blobs.values().reduce((sum, size) => sum + size, 0)) });
  }

  #report({ kind, ...event }: Omit<ImageProgress, "time" | "reference" | "resumed" | "retries">) {
    const common = { time: Date.now(), reference: this.#name, resumed: 0, retries: 0 };
    this.#options.onProgress?.({ kind, ...common, ...event });
  }
}

function checkPolicy(policy: ImagePullPolicy): void {
  if (POLICIES.includes(policy)) return;
  throw explainedError(RangeError, {
    code: "invalid-argument",
    action: "pull",
    problem: `"pullPolicy" must be one of ${POLICIES.join(", ")}, but it is ${policy}`,
    option: "pullPolicy",
  });
}
