import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/image/descriptor.ts";
import type { RemoteImage, RemoteLayer } from "../spec/image/image.ts";
import type { Platform } from "../spec/platform.ts";
import type { Reference } from "./reference.ts";

/**
 * When a pull contacts the registry:
 *
 * - `"IfNotPresent"`: if the cache lacks the image;
 * - `"Always"`: always, but fetches the image only if its digest has changed;
 * - `"Newer"`: like `"Always"`, but uses the cached image if the registry cannot be reached;
 * - `"Never"`: never, and fails if the cache lacks the image.
 */
export type ImagePullPolicy = "Always" | "IfNotPresent" | "Never" | "Newer";

/** Explicit credentials for a registry. */
export interface ImagePullAuth {
  /** User name, with `password`. */
  readonly username?: string | undefined;
  /** Password or access token, with `username`. */
  readonly password?: string | undefined;
  /** Base64 of `username:password`, as in docker's configuration. */
  readonly auth?: string | undefined;
  /** OAuth2 refresh token, exchanged for an access token. */
  readonly identityToken?: string | undefined;
  /** Bearer token, sent to the registry unchanged. */
  readonly registryToken?: string | undefined;
}

/** Progress of a pull: of one layer, or of the image as a whole. */
export interface ImageProgress {
  /** Subject of the event: one layer, or the image with all its layers and documents. */
  readonly kind: "layer" | "total";
  /** Time of the event, in milliseconds since 1970. */
  readonly time: number;
  /** Reference of the image. */
  readonly reference: string;
  /** Digest of the layer; of the image, in the event that reports the resolved reference. */
  readonly digest?: Digest | undefined;
  /**
   * Current step: finding the image (`resolve`), transferring its content (`fetch`), extracting an
   * image whose layers are all in the store (`extract`), or verifying an archive before it is loaded
   * (`verify`); `done` is the end. A layer that is fetched is done once it is stored; its extraction
   * may take longer than that.
   */
  readonly phase: "resolve" | "fetch" | "verify" | "extract" | "done";
  /** Bytes that have arrived or, with `extract` and `verify`, that have been read. */
  readonly bytes: number;
  /** Bytes to expect in all; 0 until the reference is resolved. */
  readonly total: number;
  /** Bytes left by an earlier run that were not downloaded again. */
  readonly resumed: number;
  /** Number of retries. */
  readonly retries: number;
  /** Whether the store had the content already. */
  readonly cached: boolean;
}

/** A layer of an image whose config has not been read yet. */
export type UpcomingLayer = Omit<RemoteLayer, "diffId" | "acceptsRanges" | "compressed">;

/** The first read of a layer. */
export interface FirstRead {
  /** The layer. */
  readonly descriptor: Descriptor;
  /**
   * Number of bytes to read from its start.
   *
   * By default, the whole layer.
   */
  readonly length?: number | undefined;
  /**
   * Keeps others from requesting the layer. Disposed of once the response is read or dropped.
   */
  readonly lock?: Disposable | undefined;
}

/** Options for {@linkcode ImageClient.image}. */
export interface ImageClientOptions {
  /**
   * When to contact the registry. Clients without a cache ignore it.
   *
   * @default {"IfNotPresent"}
   */
  readonly pullPolicy?: ImagePullPolicy | undefined;
  /** Credentials for the registry of this reference. They take precedence over stored ones. */
  readonly auth?: ImagePullAuth | undefined;
  /** Additional trusted certificates, in PEM. */
  readonly caCerts?: readonly string[] | undefined;
  /**
   * Platform to choose, as an object or as `OS/ARCH[/VARIANT]`.
   *
   * By default, Linux on the host's CPU.
   */
  readonly platform?: Platform | string | undefined;
  /**
   * Whether to refuse an image that is only for another platform, instead of a warning.
   *
   * @default {false}
   */
  readonly strictPlatform?: boolean | undefined;
  /**
   * Called with the layers once the manifest is known. Returns the reads that the caller will begin
   * with. A client may request them while the config arrives, which saves a round trip.
   *
   * By default, layers are requested when they are read.
   */
  readonly firstReads?:
    | ((layers: readonly UpcomingLayer[]) => Promise<readonly FirstRead[]>)
    | undefined;
  /** Aborts the operation. Incomplete downloads stay and are resumed later. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the progress of the operation. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
  /** Called once with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A source of images: a registry, a cache, or a custom one. */
export interface ImageClient {
  /** Resolves an image. Reads and verifies its manifest and config; layers are read on demand. */
  image(reference: Reference, options?: ImageClientOptions): Promise<RemoteImage>;
}
