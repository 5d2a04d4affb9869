import type { Descriptor } from "../spec/image/descriptor.ts";
import type { BlobReadOptions } from "../spec/image/image.ts";
import type { Platform } from "../spec/platform.ts";
import type { CredentialStore } from "./credentials.ts";
import type { ImagePullAuth } from "./image_client.ts";

/** Options for {@linkcode RemoteClient}. */
export interface RemoteClientOptions {
  /**
   * Source of stored credentials; `"none"` makes all requests anonymously.
   *
   * @default The credentials of docker and podman, by {@linkcode CredentialFiles}.
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
   * @default No certificates, so that the client reads no files.
   */
  readonly certificates?: CertificateStore | undefined;
  /**
   * Whether to use plain HTTP instead of HTTPS: for all registries, none, or a list of `HOST` or
   * `HOST:PORT`.
   *
   * @default Only for `localhost`, `127.0.0.0/8` and `[::1]`, and only if they respond to it.
   */
  readonly plainHttp?: boolean | readonly string[] | undefined;
  /**
   * URLs of mirrors by registry, such as `{ "docker.io": ["https://mirror.example"] }`. They are
   * tried in order before the registry itself. The path of a URL is a prefix of repository names. A
   * failing mirror is skipped with a warning, and not used again for a minute.
   *
   * @default {{}}
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * Mirrors, other locations and blocked registries from the files of podman, containerd and
   * docker: the result of {@linkcode readRegistriesConf}, or a function that returns it when a
   * registry is first used. `mirrors` overrides the mirrors in the files, and `plainHttp` overrides
   * their `insecure`, which allows plain HTTP for a server that does not speak TLS. Only
   * `skip_verify` of a `hosts.toml` turns off the verification of certificates.
   *
   * @default None; no file is read.
   */
  readonly registries?: RegistriesConf | (() => Promise<RegistriesConf>) | undefined;
  /**
   * Platform to choose, as an object or as `OS/ARCH[/VARIANT]`.
   *
   * @default Linux on the CPU of the host.
   */
  readonly platform?: Platform | string | undefined;
  /**
   * Maximum number of retries without progress. Progress of a transfer resets the count.
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
   * @default {{ firstMs: 500, maxMs: 30_000 }}
   */
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /**
   * Maximum number of concurrent transfers with one host. The limit drops for a while when the host
   * reports too many requests.
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
   * Maximum number of layers of an image.
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
   * @default The clock and random numbers of the system.
   */
  readonly clock?: Clock | undefined;
}

/** Which pulls a mirror is used for: all, those by digest, or those by tag. */
export type MirrorUse = "all" | "digest-only" | "tag-only";

/** A mirror of a {@linkcode RegistryRule}. */
export interface RegistryMirror {
  /** Host and optional path that replace the prefix of the rule. */
  readonly location: string;
  /** Whether plain HTTP is allowed if the mirror does not use TLS. */
  readonly isInsecure: boolean;
  /** Which pulls it is used for. */
  readonly use: MirrorUse;
}

/** A `[[registry]]` table: settings for the images whose names begin with a prefix. */
export interface RegistryRule {
  /**
   * `HOST[:PORT][/PATH][:TAG|@DIGEST]`, `*.HOST` for all subdomains, `ADDRESS/BITS` for the
   * addresses of a network, or `*` for all registries.
   */
  readonly prefix: string;
  /** Host and optional path that replace the prefix; `undefined` if nothing does. */
  readonly location: string | undefined;
  /** Whether plain HTTP is allowed if the registry does not use TLS. */
  readonly isInsecure: boolean;
  /** Whether the images must not be accessed. */
  readonly isBlocked: boolean;
  /** Mirrors, in the order in which they are tried. */
  readonly mirrors: readonly RegistryMirror[];
  /**
   * Hosts of a `hosts.toml` or `daemon.json` file, in the order in which they are tried. They
   * replace `location` and `mirrors`.
   */
  readonly hosts?: readonly RegistryHost[] | undefined;
  /** File that contains the rule, for messages. */
  readonly file: string;
}

/** A permitted use of a {@linkcode RegistryHost}: reading content, resolving tags, or uploads. */
export type HostCapability = "pull" | "resolve" | "push";

/** A host of a {@linkcode RegistryRule}, from a file of containerd or docker. */
export interface RegistryHost {
  /** URL of its API, such as `https://mirror.example/v2`; `undefined` for the registry itself. */
  readonly url: string | undefined;
  /** Whether it is a mirror. */
  readonly isMirror: boolean;
  /** Uses that the file permits. */
  readonly capabilities: readonly HostCapability[];
  /** Whether plain HTTP is allowed if it does not use TLS. */
  readonly isInsecure: boolean;
  /** Whether its certificate is not verified. */
  readonly skipVerify: boolean;
  /** Whether requests name the image's registry in the parameter `ns`, unless it is the host. */
  readonly sendsNamespace: boolean;
  /** Files with authorities to trust in addition to those of the system, in PEM. */
  readonly caFiles: readonly string[];
  /** Files with client certificates and their keys, in PEM; the first pair is used. */
  readonly clientFiles: readonly { readonly cert: string; readonly key: string }[];
  /** Headers of all requests to it. */
  readonly headers: Readonly<Record<string, string>>;
  /** Maximum time to connect, in milliseconds. */
  readonly dialTimeoutMs: number | undefined;
}

/** Content of `registries.conf` files, and rules of other files. */
export interface RegistriesConf {
  /** Rules, each with a different prefix. */
  readonly rules: readonly RegistryRule[];
  /** Full names by short name; an empty name removes the alias of an earlier file. */
  readonly aliases: ReadonlyMap<string, string>;
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

/** A client certificate. */
export interface ClientCertificate {
  /** Certificate chain, in PEM. */
  readonly cert: string;
  /** Private key, in PEM. */
  readonly key: string;
}

/** Certificates for one host. */
export interface HostCertificates {
  /** Additional trusted certificates, in PEM. */
  readonly caCerts?: readonly string[] | undefined;
  /** Client certificate. */
  readonly clientCertificate?: ClientCertificate | undefined;
}

/** Options for {@linkcode CertificateStore.find}. */
export interface CertificateFindOptions {
  /** Called with each problem, such as a damaged file. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A source of certificates by host. */
export interface CertificateStore {
  /**
   * Finds the certificates for a host. Called once for each host, before the first request to it.
   *
   * @param host Host as in a URL, with the port unless it is 443, such as `registry.example:5000`.
   * @returns The certificates, or `undefined` if there are none for the host. Missing or invalid
   * files are not errors.
   */
  find(host: string, options?: CertificateFindOptions): Promise<HostCertificates | undefined>;
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
}
