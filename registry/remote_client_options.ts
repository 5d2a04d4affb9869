import type { BlobReadOptions } from "../spec/image.ts";
import type { Platform } from "../spec/platform.ts";
import type { CredentialStore } from "./credentials.ts";
import type { ImagePullAuth } from "./image_client.ts";

/** Options of {@linkcode RemoteClient}. */
export interface RemoteClientOptions {
  /**
   * Where credentials are found that are not given; `"none"` asks everything anonymously.
   *
   * @default A {@linkcode CredentialFiles}: those of docker and podman.
   */
  readonly credentials?: CredentialStore | "none" | undefined;
  /**
   * Certificates in PEM that are trusted beside the system's, for every host.
   *
   * @default {[]}
   */
  readonly caCerts?: readonly string[] | undefined;
  /** The certificate that tells registries and their token servers who asks. */
  readonly clientCertificate?: ClientCertificate | undefined;
  /**
   * Plain HTTP in place of https: for every registry, for none, or for those in a list, each
   * `HOST` or `HOST:PORT`.
   *
   * @default Only for `localhost`, `127.0.0.0/8` and `[::1]`, and only if they answer to it.
   */
  readonly plainHttp?: boolean | readonly string[] | undefined;
  /**
   * URLs of mirrors by the registry that they mirror, such as
   * `{ "docker.io": ["https://mirror.example"] }`. They are tried in order and before the
   * registry itself; a path in a URL stands before the names of repositories. One that fails in
   * whatever way is passed over with a warning, and left alone for a minute.
   *
   * @default {{}}
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * The platform to choose, as an object or as `OS/ARCH[/VARIANT]`.
   *
   * @default The host's: Linux on its CPU.
   */
  readonly platform?: Platform | string | undefined;
  /**
   * How many failures in a row are tried again. A transfer that goes forward starts to count
   * anew.
   *
   * @default {8}
   */
  readonly retries?: number | undefined;
  /**
   * The longest pause that a registry may ask for (`Retry-After`), in milliseconds.
   *
   * @default {300_000}
   */
  readonly maxWaitMs?: number | undefined;
  /**
   * How long a server may send nothing, in milliseconds, before the connection counts as broken.
   *
   * @default {30_000}
   */
  readonly stallTimeoutMs?: number | undefined;
  /**
   * The pauses between attempts, in milliseconds: a random part of a time that is `firstMs` at
   * first, doubles, and ends at `maxMs`.
   *
   * @default {{ firstMs: 500, maxMs: 30_000 }}
   */
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /**
   * How many transfers with one host are under way at once. A host that has too many requests
   * gets fewer for a while.
   *
   * @default {6}
   */
  readonly maxConnections?: number | undefined;
  /**
   * Maximum number of connections for one blob. A large blob is downloaded in parts if the
   * registry supports ranges and the line is not fast enough with one connection.
   *
   * @default {6}
   */
  readonly connections?: number | undefined;
  /**
   * The most bytes of a manifest or an index, 64 MiB at most.
   *
   * @default {4_194_304}
   */
  readonly maxManifestBytes?: number | undefined;
  /**
   * The most bytes of an image's config, 64 MiB at most.
   *
   * @default {8_388_608}
   */
  readonly maxConfigBytes?: number | undefined;
  /**
   * The most layers of an image.
   *
   * @default {256}
   */
  readonly maxLayers?: number | undefined;
  /**
   * Whether a public registry may name token servers, and redirect, at loopback, link-local and
   * private addresses. One at such an address may do so anyway.
   *
   * @default {false}
   */
  readonly allowPrivateAddresses?: boolean | undefined;
  /**
   * What the client calls itself.
   *
   * @default {"oci/VERSION deno/VERSION"}
   */
  readonly userAgent?: string | undefined;
  /** Is told, once each, what is odd but not fatal, unless a call has its own `onWarning`. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Is told of every request, without secrets. */
  readonly onRequest?: ((request: RequestLog) => void) | undefined;
  /**
   * Time and chance, for tests that must not wait.
   *
   * @default The real ones.
   */
  readonly clock?: Clock | undefined;
}

/** Options of the methods of {@linkcode RemoteClient}. */
export interface RemoteOptions {
  /** Credentials for the registry of this reference, before any that is found. */
  readonly auth?: ImagePullAuth | undefined;
  /** Certificates in PEM that are trusted beside the system's and the client's. */
  readonly caCerts?: readonly string[] | undefined;
  /** Stops the work. */
  readonly signal?: AbortSignal | undefined;
  /** Is told, once each, what is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A certificate that tells a server who asks. */
export interface ClientCertificate {
  /** The certificate, and those between it and its authority, in PEM. */
  readonly cert: string;
  /** Its private key, in PEM. */
  readonly key: string;
}

/** One request that was made, for a log. It has no secrets. */
export interface RequestLog {
  /** The HTTP method. */
  readonly method: string;
  /** The URL, without secrets. */
  readonly url: string;
  /** The status of the answer; absent if there was none. */
  readonly status?: number;
  /** Why there was no answer. */
  readonly error?: string;
  /** What is left of a rate limit and the limit, as in `76;w=21600 of 100;w=21600`. */
  readonly rateLimit?: string;
  /** How long it took until the headers came, in milliseconds. */
  readonly durationMs: number;
}

/** Time and chance, so that a test need not wait. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Waits; rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Options of {@linkcode RemoteClient.blob}. */
export interface BlobOptions extends RemoteOptions, Omit<BlobReadOptions, "signal"> {}

/** Options of {@linkcode RemoteClient.pushBlob}. */
export interface PushBlobOptions extends RemoteOptions {
  /** Called with the number of bytes that have been sent; it goes back when an upload starts again. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Called when an attempt failed and another one follows. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /** Another repository of the registry that may have the blob, to mount it from there. */
  readonly mountFrom?: string | undefined;
}

/** Options of {@linkcode RemoteClient.pushManifest}. */
export interface PushManifestOptions extends RemoteOptions {
  /** Called when an attempt failed and another one follows. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
}

/** Options of {@linkcode RemoteClient.referrers}. */
export interface ReferrersOptions extends RemoteOptions {
  /** Artifact type that the referrers must have. */
  readonly artifactType?: string | undefined;
}
