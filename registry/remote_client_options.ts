import type { Descriptor } from "../spec/image/descriptor.ts";
import type { BlobReadOptions } from "../spec/image/image.ts";
import type { Platform } from "../spec/platform.ts";
import type { CertificateStore, ClientCertificate, CredentialStore } from "./credentials.ts";
import type { ImagePullAuth } from "./image_client.ts";
import type { RegistriesConf } from "./registry_rule.ts";

/** Options for {@linkcode RemoteClient}. */
export interface RemoteClientOptions {
  /**
   * Source of stored credentials; `"none"` makes all requests anonymously.
   *
   * By default, the credentials of docker and podman, by {@linkcode CredentialFiles}.
   */
  readonly credentials?: CredentialStore | "none" | undefined;
  /**
   * Additional trusted certificates, in PEM, for all hosts.
   *
   * @default {[]}
   */
  readonly caCerts?: readonly string[] | undefined;
  /**
   * Client certificate for registries and their token servers, but not for a mirror for which a
   * `hosts.toml` names one.
   */
  readonly clientCertificate?: ClientCertificate | undefined;
  /**
   * Source of certificates by host, such as `CertificateDirectories`: its authorities are trusted
   * in addition to `caCerts`, and its client certificate is used where there is no
   * `clientCertificate`. It applies to each host that is contacted over TLS, such as registries,
   * mirrors and redirect targets. The certificates of a registry also apply to its token server.
   *
   * By default, there is none, and the client reads no files.
   */
  readonly certificates?: CertificateStore | undefined;
  /**
   * Whether to use plain HTTP instead of HTTPS: for all registries, none, or a list of `HOST` or
   * `HOST:PORT`.
   *
   * By default, only for `localhost`, `127.0.0.0/8` and `[::1]`, and only if they respond to it.
   */
  readonly plainHttp?: boolean | readonly string[] | undefined;
  /**
   * URLs of mirrors by registry, such as `{ "docker.io": ["https://mirror.example"] }`. They are
   * tried in order before the registry itself. The path of a URL is a prefix of repository names. A
   * failing mirror is skipped with a warning, and not used again for a minute.
   *
   * By default, there are none.
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * Mirrors, other locations, blocked registries and credential helpers from the files of podman,
   * containerd and docker: the result of {@linkcode readRegistriesConf}, or a function that returns it when a
   * registry is first used. `mirrors` overrides the mirrors in the files, and `plainHttp` overrides
   * their `insecure`, which allows plain HTTP for a server that does not speak TLS. Only
   * `skip_verify` of a `hosts.toml` turns off the verification of certificates.
   *
   * By default, there are none, and no file is read.
   */
  readonly registries?: RegistriesConf | (() => Promise<RegistriesConf>) | undefined;
  /**
   * Platform to choose, as an object or as `OS/ARCH[/VARIANT]`.
   *
   * By default, Linux on the CPU of the host.
   */
  readonly platform?: Platform | string | undefined;
  /**
   * Maximum number of retries without progress, up to 1000. Progress of a transfer resets the
   * count. An attempt that stalls counts as progress if it transferred 1 MiB, or transferred data
   * for 30 seconds.
   *
   * @default {8}
   */
  readonly retries?: number | undefined;
  /**
   * Maximum pause that a registry may request (`Retry-After`), in milliseconds.
   *
   * @default {300_000}
   */
  readonly maxWaitMs?: number | undefined;
  /**
   * Time without data from a server after which the connection counts as broken, in milliseconds.
   *
   * @default {30_000}
   */
  readonly stallTimeoutMs?: number | undefined;
  /**
   * Pauses between attempts, in milliseconds: a random part of a bound that starts at `firstMs`,
   * doubles with each failure, and is limited to `maxMs`.
   *
   * The default is `{ firstMs: 500, maxMs: 30_000 }`.
   */
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number } | undefined;
  /**
   * Maximum number of concurrent transfers with one host, up to 1000. The limit drops for a while
   * when the host reports too many requests.
   *
   * @default {16}
   */
  readonly maxConnections?: number | undefined;
  /**
   * Maximum number of connections that all large layers share. A large layer is downloaded in
   * ranges if the registry supports them and is slow: it takes 25 ms or more to respond, or sends
   * less than 30 MB/s over one connection.
   *
   * @default {12}
   */
  readonly connections?: number | undefined;
  /**
   * Maximum size of a manifest or an index in bytes, up to 64 MiB.
   *
   * @default {4_194_304}
   */
  readonly maxManifestBytes?: number | undefined;
  /**
   * Maximum size of an image's config in bytes, up to 64 MiB.
   *
   * @default {8_388_608}
   */
  readonly maxConfigBytes?: number | undefined;
  /**
   * Maximum number of layers of an image, up to 500, as many as overlayfs of Linux can mount.
   *
   * @default {256}
   */
  readonly maxLayers?: number | undefined;
  /**
   * Whether a public registry may name token servers and redirect targets at loopback, link-local
   * and private addresses. A registry at such an address always may.
   *
   * @default {false}
   */
  readonly allowPrivateAddresses?: boolean | undefined;
  /**
   * `User-Agent` of the client.
   *
   * @default {"oci/VERSION deno/VERSION"}
   */
  readonly userAgent?: string | undefined;
  /** Called once with each non-fatal problem, unless a call has its own `onWarning`. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called with each request, without secrets. */
  readonly onRequest?: ((request: RequestLog) => void) | undefined;
  /**
   * Clock and random numbers, for tests that must not wait.
   *
   * By default, those of the system.
   */
  readonly clock?: Clock | undefined;
}

/** Options for the methods of {@linkcode RemoteClient}. */
export interface RemoteOptions {
  /** Credentials for the registry of this reference. They take precedence over stored ones. */
  readonly auth?: ImagePullAuth | undefined;
  /** Additional trusted certificates, in PEM. */
  readonly caCerts?: readonly string[] | undefined;
  /** Aborts the operation. */
  readonly signal?: AbortSignal | undefined;
  /** Called once with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Log entry of a request, without secrets. */
export interface RequestLog {
  /** The HTTP method. */
  readonly method: string;
  /** The URL, without secrets. */
  readonly url: string;
  /** Status of the response; absent if there was none. */
  readonly status?: number;
  /** Reason for a missing response. */
  readonly error?: string;
  /** Remaining and total requests of a rate limit, such as `76;w=21600 of 100;w=21600`. */
  readonly rateLimit?: string;
  /** Time until the headers arrived, in milliseconds. */
  readonly durationMs: number;
}

/** An address at which a client looks for the content of a repository. */
export interface RegistryEndpoint {
  /** URL of the repository, such as `https://registry-1.docker.io/v2/library/alpine`. */
  readonly url: string;
  /** Whether it is a mirror. */
  readonly isMirror: boolean;
}

/** Clock and random numbers. */
export interface Clock {
  /** Returns the time in milliseconds since an arbitrary start. Must not decrease. */
  now(): number;
  /** Returns a number in [0, 1). */
  random(): number;
  /** Waits; rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Options for {@linkcode RemoteClient.blob}. */
export interface BlobOptions extends RemoteOptions, Omit<BlobReadOptions, "signal"> {}

/** Options for {@linkcode RemoteClient.document}. */
export interface DocumentOptions extends RemoteOptions {
  /**
   * Index entry that refers to the document. Its size is verified, and a missing document is
   * reported as an incomplete image rather than as a possibly wrong reference.
   */
  readonly entry?: Descriptor | undefined;
  /**
   * Whether to read from the registry itself rather than from a mirror, which may have an older
   * document under a tag. Necessary before a write that depends on the document.
   *
   * @default {false}
   */
  readonly skipMirrors?: boolean | undefined;
}

/** Options for {@linkcode RemoteClient.findTag}. */
export interface FindTagOptions extends RemoteOptions {
  /**
   * Whether a push follows. One token then permits both.
   *
   * @default {false}
   */
  readonly isPushTarget?: boolean | undefined;
}

/** Options for {@linkcode RemoteClient.pushBlob}. */
export interface PushBlobOptions extends RemoteOptions {
  /** Called with the number of sent bytes, which decreases when an upload restarts. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Called when an attempt failed and another one follows. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /** Another repository of the registry to mount the blob from. */
  readonly mountFrom?: string | undefined;
}

/** Options for {@linkcode RemoteClient.pushManifest}. */
export interface PushManifestOptions extends RemoteOptions {
  /** Called when an attempt failed and another one follows. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
}

/** Options for {@linkcode RemoteClient.referrers}. */
export interface ReferrersOptions extends RemoteOptions {
  /** Artifact type to filter by. */
  readonly artifactType?: string | undefined;
  /**
   * Whether to fail if the registry itself is unreachable, instead of using the list of a mirror,
   * which may be incomplete.
   *
   * @default {false}
   */
  readonly skipMirrors?: boolean | undefined;
}
