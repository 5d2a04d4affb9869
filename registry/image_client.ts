import type { Digest } from "../spec/digest.ts";
import type { RemoteImage } from "../spec/image.ts";
import type { Platform } from "../spec/platform.ts";
import type { Reference } from "./reference.ts";

/** When a pull asks the registry rather than the store. */
export type ImagePullPolicy = "Always" | "IfNotPresent" | "Never" | "Newer";

/** Credentials for a registry, given rather than found. */
export interface ImagePullAuth {
  /** User name, with `password`. */
  readonly username?: string;
  /** Password or access token, with `username`. */
  readonly password?: string;
  /** `username:password` in base64, as docker's configuration keeps it. */
  readonly auth?: string;
  /** OAuth2 refresh token, exchanged for an access token. */
  readonly identityToken?: string;
  /** Bearer token, sent to the registry as it is. */
  readonly registryToken?: string;
}

/** How far a pull is; the numbers are bytes. */
export interface ImageProgress {
  /** Milliseconds since 1970. */
  readonly t: number;
  /** The reference that is pulled. */
  readonly ref: string;
  /** The blob that the event is about, if it is about one. */
  readonly digest?: Digest;
  /** What is being done. */
  readonly phase: "resolve" | "fetch" | "verify" | "extract" | "done";
  /** Bytes that are there. */
  readonly bytes: number;
  /** Bytes that there will be. */
  readonly total: number;
  /** Bytes that an earlier run had left. */
  readonly resumed: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** Whether the store had the blob already. */
  readonly cached: boolean;
}

/** Options of {@linkcode ImageClient.image}. */
export interface ImageClientOptions {
  /**
   * When to ask the registry. Only a client that has a cache heeds it.
   *
   * @default {"IfNotPresent"}
   */
  readonly pullPolicy?: ImagePullPolicy;
  /** Credentials for the registry of this reference, before any that is found. */
  readonly auth?: ImagePullAuth;
  /** Certificates in PEM that are trusted beside the system's. */
  readonly caCerts?: readonly string[];
  /**
   * The platform to choose, as an object or as `OS/ARCH[/VARIANT]`.
   *
   * @default The host's: Linux on its CPU.
   */
  readonly platform?: Platform | string;
  /** Stops the work; what has been downloaded stays to be resumed. */
  readonly signal?: AbortSignal;
  /** Is told how far the work is. */
  readonly onProgress?: (progress: ImageProgress) => void;
  /** Is told, once each, what is odd but not fatal. */
  readonly onWarning?: (message: string) => void;
}

/** Where images come from: a registry, a cache, or anything else that has them. */
export interface ImageClient {
  /**
   * Finds an image: its manifest and config are read and verified, its layers are ready to be.
   *
   * @param reference Which image.
   * @param options Platform, credentials and the like.
   */
  image(reference: Reference, options?: ImageClientOptions): Promise<RemoteImage>;
}
