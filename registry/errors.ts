import { OciError } from "../spec/errors.ts";

/** What a {@linkcode RegistryError} tells beside its message. */
export interface RegistryErrorFields {
  /** The HTTP status, or 0 if the answer could not be read so far. */
  readonly status: number;
  /** The registry's own code, such as `MANIFEST_UNKNOWN`. */
  readonly code?: string | undefined;
  /** What the registry says about it, shortened. */
  readonly detail?: string | undefined;
  /** The URL that was asked for, without secrets. */
  readonly url: string;
  /** The registry's id of the request, for its operators. */
  readonly requestId?: string | undefined;
  /** Whether the same request may succeed later. */
  readonly retryable?: boolean | undefined;
  /** How often it was tried. */
  readonly attempts?: number | undefined;
  /** How long the registry asks to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** A registry, a token server or a CDN behind it answered, but not with what was asked for. */
export class RegistryError extends OciError implements RegistryErrorFields {
  /** The HTTP status. */
  readonly status: number;
  /** The registry's own code, such as `MANIFEST_UNKNOWN`. */
  readonly code: string | undefined;
  /** What the registry says about it, shortened. */
  readonly detail: string | undefined;
  /** The URL that was asked for, without secrets. */
  readonly url: string;
  /** The registry's id of the request, for its operators. */
  readonly requestId: string | undefined;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** How often it was tried. */
  readonly attempts: number;
  /** How long the registry asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  /** Creates the error; `message` and `fields` must hold no secrets. */
  constructor(message: string, fields: RegistryErrorFields, options?: ErrorOptions) {
    super(message, options);
    const { status, code, detail, url, requestId, retryable = false, attempts = 1 } = fields;
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.url = url;
    this.requestId = requestId;
    this.retryable = retryable;
    this.attempts = attempts;
    this.retryAfterMs = fields.retryAfterMs;
  }
}

/** A registry or its token server refused: a login is missing, wrong, or not enough. */
export class AuthError extends RegistryError {}

/** A registry or its token server refused a credential when it was checked, before it was stored. */
export class LoginError extends AuthError {}

/** A credential file is there, and cannot be changed without losing what it holds. */
export class CredentialFileError extends OciError {
  /** The file. */
  readonly path: string;

  /** Creates the error; `state` says what is wrong with the file. */
  constructor(path: string, state: string) {
    super(`Cannot change the credential file "${path}": ${state}`);
    this.path = path;
  }
}

/**
 * What a registry does not have: a tag, a manifest by its digest, the manifest that an index names
 * (`"child"`), the config that a manifest names, or a blob.
 */
export type MissingKind = "tag" | "manifest" | "child" | "config" | "blob";

/** Fields of a {@linkcode NotFoundError} beside its message. */
export interface NotFoundErrorFields extends RegistryErrorFields {
  /** What is missing, if that is known. */
  readonly missing?: MissingKind | undefined;
}

/** A repository, tag, manifest or blob does not exist, or is hidden from the client. */
export class NotFoundError extends RegistryError implements NotFoundErrorFields {
  /** What is missing, if that is known. */
  readonly missing: MissingKind | undefined;

  /** Creates the error; `message` and `fields` must hold no secrets. */
  constructor(message: string, fields: NotFoundErrorFields, options?: ErrorOptions) {
    super(message, fields, options);
    this.missing = fields.missing;
  }
}

/** What a {@linkcode RateLimitError} tells beside its message. */
export interface RateLimitErrorFields extends RegistryErrorFields {
  /** The `ratelimit-limit` header, such as `100;w=21600`: requests in a window of seconds. */
  readonly limit?: string | undefined;
  /** The `ratelimit-remaining` header. */
  readonly remaining?: string | undefined;
}

/** A registry had too many requests (429) for as long as it was tried. */
export class RateLimitError extends RegistryError implements RateLimitErrorFields {
  /** The `ratelimit-limit` header, such as `100;w=21600`: requests in a window of seconds. */
  readonly limit: string | undefined;
  /** The `ratelimit-remaining` header. */
  readonly remaining: string | undefined;

  /** Creates the error; `message` and `fields` must hold no secrets. */
  constructor(message: string, fields: RateLimitErrorFields, options?: ErrorOptions) {
    super(message, fields, options);
    this.limit = fields.limit;
    this.remaining = fields.remaining;
  }
}

/** What a {@linkcode NetworkError} tells beside its message. */
export interface NetworkErrorFields {
  /** The URL that was asked for, without secrets. */
  readonly url: string;
  /** What failed. */
  readonly reason: NetworkFailure;
  /** What is wrong with a certificate, if that is the reason. */
  readonly certificate?: CertificateFault | undefined;
  /** How often it was tried. */
  readonly attempts?: number | undefined;
  /**
   * Whether the same request may succeed later.
   *
   * @default As the reason has it.
   */
  readonly retryable?: boolean | undefined;
}

/**
 * What is wrong with a certificate: nobody trusted has signed it (`"untrusted"`), it is its own
 * authority (`"own-authority"`), its time is over (`"expired"`) or has not come
 * (`"not-yet-valid"`), it is for another host (`"wrong-name"`), or the server does not accept ours, or
 * misses it (`"client"`).
 */
export type CertificateFault =
  | "untrusted"
  | "own-authority"
  | "expired"
  | "not-yet-valid"
  | "wrong-name"
  | "client";

/**
 * How a network fails: the host has no address (`"name"`), nobody listens (`"refused"`), a proxy
 * does not connect (`"proxy"`), one side does not trust the other's certificate or misses it
 * (`"certificate"`), the other side does not speak TLS, or not HTTP (`"protocol"`), nothing came
 * for too long (`"stalled"`), the connection broke (`"cut"`), or the request could not be sent at
 * all (`"request"`).
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

/** There was no answer, or the connection broke. */
export class NetworkError extends OciError implements NetworkErrorFields {
  /** The URL that was asked for, without secrets. */
  readonly url: string;
  /** What failed. */
  readonly reason: NetworkFailure;
  /** What is wrong with a certificate, if that is the reason. */
  readonly certificate: CertificateFault | undefined;
  /** How often it was tried. */
  readonly attempts: number;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;

  /** Creates the error; `message` and `fields` must hold no secrets. */
  constructor(message: string, fields: NetworkErrorFields, options?: ErrorOptions) {
    super(message, options);
    const { url, reason, certificate, attempts = 1 } = fields;
    const { retryable = reason !== "certificate" && reason !== "request" } = fields;
    this.url = url;
    this.reason = reason;
    this.certificate = certificate;
    this.attempts = attempts;
    this.retryable = retryable;
  }
}

/** A reference names an artifact that is not a container image, so it has no file system. */
export class ArtifactError extends OciError {
  /** The media type of its config. */
  readonly mediaType: string;
  /** The kind of the artifact, if it says. */
  readonly artifactType: string | undefined;

  /** Creates the error; `subject` names the artifact. */
  constructor(subject: string, mediaType: string, artifactType?: string) {
    super(
      `Cannot read "${subject}" as an image: it is an artifact of type ` +
        `"${artifactType ?? mediaType}"; its manifest and blobs can be read one by one`,
    );
    this.mediaType = mediaType;
    this.artifactType = artifactType;
  }
}
