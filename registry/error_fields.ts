import type { ErrorCode } from "../spec/error_facts.ts";

/** Action, subject and advice for the errors of a registry. */
export interface RequestFacts {
  /** Action that failed, as it follows "Cannot", such as `pull "alpine:3"`. */
  readonly action?: string | undefined;
  /** Object of the action: a reference, a host or another name. */
  readonly subject?: string | undefined;
  /** What to do, as a sentence without a period, in terms of the library. */
  readonly advice?: string | undefined;
}

/** Fields of a {@linkcode RegistryError}. */
export interface RegistryErrorFields extends RequestFacts {
  /**
   * What went wrong, for programs.
   *
   * By default, the code of the class.
   */
  readonly code?: ErrorCode | undefined;
  /** The option of the library that helps or is at fault, such as `"auth"`. */
  readonly option?: string | undefined;
  /** HTTP status, or 0 if the response could not be read. */
  readonly status: number;
  /** Error code of the registry, such as `MANIFEST_UNKNOWN`. */
  readonly registryCode?: string | undefined;
  /** Message of the registry, shortened. */
  readonly detail?: string | undefined;
  /** Requested URL, without secrets. */
  readonly url: string;
  /** Name of the registry, such as `docker.io`. */
  readonly registry?: string | undefined;
  /** Request ID of the registry, for its operators. */
  readonly requestId?: string | undefined;
  /**
   * Whether the registry knows the user: it accepted the credential of the request.
   *
   * @default {false}
   */
  readonly isAuthenticated?: boolean | undefined;
  /** Whether the same request may succeed later. */
  readonly retryable?: boolean | undefined;
  /** Number of attempts. */
  readonly attempts?: number | undefined;
  /** Pause that the registry requests, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * Kind of missing content: a whole repository, a tag, a manifest by its digest, a manifest of an
 * index (`"child"`), the config of a manifest, or a blob.
 */
export type MissingKind = "repository" | "tag" | "manifest" | "child" | "config" | "blob";

/** Fields of a {@linkcode NotFoundError}. */
export interface NotFoundErrorFields extends RegistryErrorFields {
  /** Missing content, if known. */
  readonly missing?: MissingKind | undefined;
}

/** Fields of a {@linkcode RateLimitError}. */
export interface RateLimitErrorFields extends RegistryErrorFields {
  /** The `ratelimit-limit` header, such as `100;w=21600`: requests in a window of seconds. */
  readonly limit?: string | undefined;
  /** The `ratelimit-remaining` header. */
  readonly remaining?: string | undefined;
}

/** Fields of a {@linkcode NetworkError}. */
export interface NetworkErrorFields extends RequestFacts {
  /** Requested URL, without secrets. */
  readonly url: string;
  /** Kind of failure. */
  readonly reason: NetworkFailure;
  /** Problem of the certificate, if that is the reason. */
  readonly certificate?: CertificateFault | undefined;
  /** Number of attempts. */
  readonly attempts?: number | undefined;
  /**
   * Whether the same request may succeed later.
   *
   * The default depends on the reason.
   */
  readonly retryable?: boolean | undefined;
}

/**
 * Problem of a certificate: its signer is not trusted (`"untrusted"`) or not among the given
 * certificates (`"other-authority"`), it is self-signed (`"own-authority"`), it has expired
 * (`"expired"`) or is not valid yet (`"not-yet-valid"`), it is for another host (`"wrong-name"`),
 * it has X.509 version 1, which Deno does not support (`"version"`), or the server rejects the
 * client certificate or requires one (`"client"`).
 */
export type CertificateFault =
  | "untrusted"
  | "other-authority"
  | "own-authority"
  | "expired"
  | "not-yet-valid"
  | "wrong-name"
  | "version"
  | "client";

/**
 * Kind of network failure: the host has no address (`"name"`), the connection is refused or no
 * network leads to the host (`"refused"`), a proxy does not connect (`"proxy"`), a certificate is
 * missing or not trusted (`"certificate"`), the server does not speak TLS or HTTP (`"protocol"`), no
 * data arrives (`"stalled"`), the connection breaks (`"cut"`), or the request cannot be sent
 * (`"request"`).
 */
export type NetworkFailure =
  | "name"
  | "refused"
  | "proxy"
  | "certificate"
  | "protocol"
  | "stalled"
  | "cut"
  | "request";
