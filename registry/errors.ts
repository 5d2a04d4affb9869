import { OciError } from "../spec/errors.ts";
import type {
  CertificateFault,
  MissingKind,
  NetworkErrorFields,
  NetworkFailure,
  NotFoundErrorFields,
  RateLimitErrorFields,
  RegistryErrorFields,
} from "./error_fields.ts";

/** Purpose of a request, for errors. */
export interface RequestTask {
  /** Action, as it follows "Cannot" in errors, such as `pull "docker.io/library/alpine:3"`. */
  readonly action: string;
  /** Object of the action: a reference, a repository, a registry, or the digest of a blob. */
  readonly subject: string;
}

/**
 * Thrown when a registry, a token server or a CDN returns an unexpected response.
 *
 * @example Get the registry's reason for refusing a request
 * ```ts
 * import { parseReference, RegistryError, RemoteClient, serveRegistry } from "@x/oci/registry";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using registry = await serveRegistry(undefined, { readOnly: true });
 * using client = new RemoteClient();
 * const app = parseReference(`${registry.host}/app`);
 *
 * const error = await assertRejects(() => client.delete(app, "1.0"), RegistryError);
 *
 * assertEquals([error.status, error.registryCode], [405, "UNSUPPORTED"]);
 * ```
 */
export class RegistryError extends OciError implements RegistryErrorFields {
  /** HTTP status. */
  readonly status: number;
  /** Error code of the registry, such as `MANIFEST_UNKNOWN`. */
  readonly registryCode: string | undefined;
  /** Message of the registry, shortened. */
  readonly detail: string | undefined;
  /** Requested URL, without secrets. */
  readonly url: string;
  /** Name of the registry, such as `docker.io`. */
  readonly registry: string | undefined;
  /** Request ID of the registry, for its operators. */
  readonly requestId: string | undefined;
  /** Whether the registry knows the user: it accepted the credential of the request. */
  readonly isAuthenticated: boolean;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** Number of attempts. */
  readonly attempts: number;
  /** Pause that the registry requests, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  /** Creates the error; `problem` and `fields` must not contain secrets. */
  constructor(problem: string, fields: RegistryErrorFields, options?: ErrorOptions) {
    const { code = "response", action, subject, advice, option } = fields;
    super(problem, { ...options, code, action, subject, advice, option });
    const { status, registryCode, detail, url, registry, requestId } = fields;
    const { isAuthenticated = false, retryable = false, attempts = 1 } = fields;
    this.status = status;
    this.registryCode = registryCode;
    this.detail = detail;
    this.url = url;
    this.registry = registry;
    this.requestId = requestId;
    this.isAuthenticated = isAuthenticated;
    this.retryable = retryable;
    this.attempts = attempts;
    this.retryAfterMs = fields.retryAfterMs;
  }
}

/**
 * Thrown when a registry or token server denies access: no login, a wrong one or no permission.
 *
 * @example Recognize a registry that requires a login
 * ```ts
 * import { AuthError, parseReference, RemoteClient, serveRegistry } from "@x/oci/registry";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const authenticate = () => new Response(null, { status: 401 });
 * await using registry = await serveRegistry(undefined, { authenticate });
 * const reference = parseReference(`${registry.host}/app:1.0`);
 *
 * using client = new RemoteClient({ credentials: "none" });
 * const error = await assertRejects(() => client.image(reference), AuthError);
 *
 * assertEquals(error.status, 401);
 * ```
 */
export class AuthError extends RegistryError {
  /** Creates the error; `problem` and `fields` must not contain secrets. */
  constructor(problem: string, fields: RegistryErrorFields, options?: ErrorOptions) {
    super(problem, { ...fields, code: fields.code ?? "unauthorized" }, options);
  }
}

/**
 * Thrown when a registry or token server rejects a credential during a login.
 *
 * @example Recognize a wrong password
 * ```ts
 * import { basicAuthentication, LoginError, RemoteClient, serveRegistry } from "@x/oci/registry";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const authenticate = basicAuthentication((_, password) => password === "secret");
 * await using registry = await serveRegistry(undefined, { authenticate });
 * const login = { username: "ann", password: "guess" };
 *
 * using client = new RemoteClient();
 * const error = await assertRejects(
 *   () => client.checkCredential(registry.host, login),
 *   LoginError,
 * );
 *
 * assertEquals(error.status, 401);
 * ```
 */
export class LoginError extends AuthError {
  /** Creates the error; `problem` and `fields` must not contain secrets. */
  constructor(problem: string, fields: RegistryErrorFields, options?: ErrorOptions) {
    super(problem, { ...fields, code: "login-rejected" }, options);
  }
}

/**
 * Thrown when a credential file cannot be changed without data loss.
 *
 * @example Find out what is wrong with a credential file
 * ```ts
 * import { CredentialFileError, saveCredential } from "@x/oci/registry";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const path = "./auth.json";
 * await Deno.writeTextFile(path, "{");
 * const login = { username: "ann", password: "secret" };
 *
 * const error = await assertRejects(
 *   () => saveCredential("ghcr.io", login, { path }),
 *   CredentialFileError,
 * );
 *
 * assertEquals(error.path, path);
 * ```
 */
export class CredentialFileError extends OciError {
  /** Path of the file. */
  readonly path: string;

  /** Creates the error; `problem` says what is wrong with the file. */
  constructor(path: string, problem: string) {
    super(problem, {
      code: "credential-file",
      action: `change the credential file "${path}"`,
      subject: path,
      advice: "Fix the file, or use another file",
    });
    this.path = path;
  }
}

/**
 * Thrown when a `registries.conf` file is invalid, or missing although a variable names it.
 *
 * @example Find the faulty line of a file
 * ```ts
 * import { parseRegistriesConf, RegistriesConfError } from "@x/oci/registry";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const text = 'unqualified-search-registries = ["docker.io"]\nregistry = 1';
 *
 * const error = assertThrows(() => parseRegistriesConf(text), RegistriesConfError);
 *
 * assertEquals(error.line, 2);
 * ```
 */
export class RegistriesConfError extends OciError {
  /** Path of the file. */
  readonly path: string;
  /** Number of the faulty line, starting at 1; absent if the whole file is at fault. */
  readonly line: number | undefined;

  /** Creates the error; `problem` says what is wrong with the line. */
  constructor(path: string, line: number | undefined, problem: string, advice?: string) {
    super(line === undefined ? problem : `line ${line}: ${problem}`, {
      code: "registries-conf",
      action: `use "${path}"`,
      subject: path,
      advice: advice ?? "Correct the file; containers-registries.conf(5) describes its format",
    });
    this.path = path;
    this.line = line;
  }
}

/**
 * Thrown when a `registries.conf` file blocks access to an image or a registry.
 *
 * @example Recognize a blocked registry
 * ```ts
 * import {
 *   BlockedRegistryError,
 *   parseReference,
 *   parseRegistriesConf,
 *   RemoteClient,
 * } from "@x/oci/registry";
 * import { assertRejects } from "@std/assert";
 *
 * const registries = parseRegistriesConf('registry = [{ location = "a.example", blocked = true }]');
 * using client = new RemoteClient({ registries });
 * const app = parseReference("a.example/app:1");
 *
 * await assertRejects(() => client.image(app), BlockedRegistryError);
 * ```
 */
export class BlockedRegistryError extends OciError {
  /** File that blocks it. */
  readonly path: string;

  /** Creates the error; `prefix` is the prefix of the rule that blocks `subject`. */
  constructor(subject: string, prefix: string, path: string) {
    super(`${path} blocks ${prefix}`, {
      code: "blocked",
      action: `access "${subject}"`,
      subject,
      advice: "Use another registry, or ask the maintainer of the file",
    });
    this.path = path;
  }
}

/**
 * Thrown when a repository, tag, manifest or blob does not exist or is hidden from the client.
 *
 * @example Tell a missing image from other failures
 * ```ts
 * import { NotFoundError, parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const reference = parseReference("localhost:5000/app:1.0");
 *
 * const error = await assertRejects(() => client.image(reference), NotFoundError);
 *
 * assertEquals(error.status, 404);
 * ```
 */
export class NotFoundError extends RegistryError implements NotFoundErrorFields {
  /** Missing content, if known. */
  readonly missing: MissingKind | undefined;

  /** Creates the error; `problem` and `fields` must not contain secrets. */
  constructor(problem: string, fields: NotFoundErrorFields, options?: ErrorOptions) {
    super(problem, { ...fields, code: "not-found" }, options);
    this.missing = fields.missing;
  }
}

/**
 * Thrown when a registry reports too many requests (429) in all attempts.
 *
 * @example Learn when a registry accepts requests again
 * ```ts
 * import { parseReference, RateLimitError, RemoteClient, serveRegistry } from "@x/oci/registry";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * // A registry that rejects all requests for an hour.
 * const headers = { "retry-after": "3600" };
 * await using registry = await serveRegistry(undefined, {
 *   authenticate: () => new Response(null, { status: 429, headers }),
 * });
 * using client = new RemoteClient({ maxWaitMs: 60_000 });
 * const reference = parseReference(`${registry.host}/app:1.0`);
 *
 * const error = await assertRejects(() => client.image(reference), RateLimitError);
 *
 * assertEquals(error.retryAfterMs, 3_600_000);
 * ```
 */
export class RateLimitError extends RegistryError implements RateLimitErrorFields {
  /** The `ratelimit-limit` header, such as `100;w=21600`: requests in a window of seconds. */
  readonly limit: string | undefined;
  /** The `ratelimit-remaining` header. */
  readonly remaining: string | undefined;

  /** Creates the error; `problem` and `fields` must not contain secrets. */
  constructor(problem: string, fields: RateLimitErrorFields, options?: ErrorOptions) {
    super(problem, { ...fields, code: "rate-limit" }, options);
    this.limit = fields.limit;
    this.remaining = fields.remaining;
  }
}

/**
 * Thrown when there is no response or the connection breaks.
 *
 * @example Recognize a registry that does not run
 * ```ts
 * import { NetworkError, parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * using client = new RemoteClient({ retries: 0 });
 * const reference = parseReference("127.0.0.1:1/app:1.0");
 *
 * const error = await assertRejects(() => client.image(reference), NetworkError);
 *
 * assertEquals(error.reason, "refused");
 * ```
 */
export class NetworkError extends OciError implements NetworkErrorFields {
  /** Requested URL, without secrets. */
  readonly url: string;
  /** Kind of failure. */
  readonly reason: NetworkFailure;
  /** Problem of the certificate, if that is the reason. */
  readonly certificate: CertificateFault | undefined;
  /** Number of attempts. */
  readonly attempts: number;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;

  /** Creates the error; `problem` and `fields` must not contain secrets. */
  constructor(problem: string, fields: NetworkErrorFields, options?: ErrorOptions) {
    const { action, subject, advice, url, reason, certificate, attempts = 1 } = fields;
    super(problem, { ...options, code: "network", action, subject, advice });
    const { retryable = reason !== "certificate" && reason !== "request" } = fields;
    this.url = url;
    this.reason = reason;
    this.certificate = certificate;
    this.attempts = attempts;
    this.retryable = retryable;
  }
}

/**
 * Thrown when a reference leads to an artifact instead of a container image with a file system.
 *
 * @example Recognize an artifact
 * ```ts
 * import { pushArtifact } from "@x/oci";
 * import { ArtifactError, parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const artifactType = "application/spdx+json";
 * await pushArtifact("localhost:5000/sbom:v1", [{ path: "./sbom.json" }], { artifactType });
 * using client = new RemoteClient();
 * const sbom = parseReference("localhost:5000/sbom:v1");
 *
 * const error = await assertRejects(() => client.image(sbom), ArtifactError);
 *
 * assertEquals(error.artifactType, artifactType);
 * ```
 */
export class ArtifactError extends OciError {
  /** Name of the artifact. */
  readonly reference: string;
  /** Media type of the config. */
  readonly mediaType: string;
  /** Artifact type, if any. */
  readonly artifactType: string | undefined;

  /** Creates the error for the artifact that `subject` names. */
  constructor(subject: string, mediaType: string, artifactType?: string) {
    super(`it is an artifact of type "${artifactType ?? mediaType}"`, {
      code: "artifact",
      action: `read "${subject}" as an image`,
      subject,
      advice: "Read its manifest and its blobs one by one",
    });
    this.reference = subject;
    this.mediaType = mediaType;
    this.artifactType = artifactType;
  }
}
