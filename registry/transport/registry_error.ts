import type { MissingKind, RegistryErrorFields } from "../error_fields.ts";
import { AuthError, NotFoundError, RateLimitError, RegistryError } from "../errors.ts";
import { BLOB_UNKNOWN, readErrorBody, REJECTIONS } from "./_error_body.ts";
import type { HttpResponse } from "./http_response.ts";
import { redactUrl } from "./redact.ts";
import { isTransientStatus, requestedPause } from "./retry.ts";

/** Window of a rate limit, in seconds, above which retries cannot outlast an exhausted quota. */
const LONG_WINDOW_S = 600;
const REQUEST_ID_HEADERS = [
  "x-request-id",
  "docker-request-id",
  "x-github-request-id",
  "x-ms-correlation-request-id",
  "x-amz-request-id",
  "x-amzn-requestid",
  "cf-ray",
];

const LOGIN_ADVICE = "Log in, or specify a credential";
const LOGIN_IF_PRIVATE = "if the repository is private, log in";
const REFUSED_ADVICE = "Check the password or token, and whether this user has access";
const OPERATOR_ADVICE = "Report it to the operator of the registry";
const USER_ADVICE = "Ask its owner for access, or log in again";
const USER_ACCESS = "and whether this user has access";

/** Kinds of content that registries keep on storage servers. */
const BLOB_KINDS: ReadonlySet<MissingKind | undefined> = new Set(["blob", "config"]);

/** Content that may be missing in a registry. */
export interface MissingContent {
  /** Absent for a list. */
  readonly kind?: MissingKind | undefined;
  /** Its name, such as `the tag "v1"`. */
  readonly name: string;
}

/** Context of a response for {@linkcode registryError}. */
export interface RegistryErrorContext {
  /** Name of the registry for the user. */
  readonly registry: string;
  /**
   * Name of the server that answered, such as `the token server auth.example of registry.example`.
   *
   * By default, the name of the registry.
   */
  readonly server?: string | undefined;
  /** Authentication attempts; absent for a response of a token server. */
  readonly authentication?: string | undefined;
  /** Whether the registry accepted the credential of the request. */
  readonly isAuthenticated?: boolean | undefined;
  /** Whether a credential was sent and rejected. */
  readonly isRefused?: boolean | undefined;
  /** Requested content. */
  readonly content?: MissingContent | undefined;
  /** Whether the request was a write. */
  readonly isWrite?: boolean | undefined;
  /** Where the registry directed the request to, if it did not answer the request itself. */
  readonly target?: RequestTarget | undefined;
}

/** Another address to which a registry directs a request, such as a signed URL of its own. */
export type RequestTarget = "same-server" | "other-server";

/** Describes the response of a registry: its status, code and message. */
export function describeResponse(
  { status, registryCode, detail }: Pick<RegistryError, "status" | "registryCode" | "detail">,
  attempts = 1,
): string {
  const named = registryCode === undefined ? "" : ` ${registryCode}`;
  const tried = attempts > 1 ? ` after ${attempts} attempts` : "";
  const says = detail === undefined ? "" : `, "${detail.replaceAll('"', "'")}"`;
  return `${status}${named}${tried}${says}`;
}

/** Creates the error for an unexpected response from its status and body. */
export async function registryError(
  response: HttpResponse,
  context: RegistryErrorContext,
): Promise<RegistryError> {
  const { status, headers, url, request: { task, attempt } } = response;
  const { registry, server = registry, authentication, isAuthenticated, isWrite } = context;
  const isElsewhere = context.target === "other-server";
  const { code: registryCode, detail, isOfRegistry } = await readErrorBody(response);
  // `registry:2` rejects a manifest with 500 if one of several reasons has no code.
  const isRejection = status === 500 && isWrite === true && REJECTIONS.has(registryCode ?? "");
  const isRefusal = isRejection || (status >= 400 && status < 500);
  const isRateLimit = status === 429 || registryCode === "TOOMANYREQUESTS";
  // Some registries redirect to another registry, others to a storage server. That may have the
  // address of the registry, whose own refusals are about the name or the login. Documents are
  // redirected there because a repository has another name.
  const isSignedUrl = context.target === "same-server" && BLOB_KINDS.has(context.content?.kind) &&
    status !== 401 && status !== 404;
  const isOfStorage = (isElsewhere || isSignedUrl) && isOfRegistry !== true;

  const isRetryable = () => {
    // A signed URL of a storage server expires; the registry then returns a new one.
    if (isOfStorage && isRefusal) return true;
    if (isRejection) return false;
    // Some registries find a blob only some time after its upload (moby#36823).
    if (isWrite && isRefusal && registryCode === BLOB_UNKNOWN) return true;
    return (isTransientStatus(status) || isRateLimit) && !isExhausted(headers);
  };
  const fields = {
    ...task,
    option: context.isRefused ? "auth" : undefined,
    status,
    registryCode,
    detail,
    url: redactUrl(url),
    registry,
    requestId: REQUEST_ID_HEADERS.map((name) => headers.get(name)).find((id) => id) ?? undefined,
    isAuthenticated,
    retryable: isRetryable(),
    attempts: attempt,
    retryAfterMs: requestedPause(headers, Date.now()),
  };
  const words = describeResponse(fields, attempt);
  const who = isElsewhere ? `${url.host}, to which ${registry} redirects,` : server;
  const problem = `${who} answered ${words}`;
  if (isRateLimit) return rateLimitError(problem, headers, fields);
  const target = URL.parse(headers.get("location") ?? "", url);
  if (isWrite && status >= 300 && status < 400 && target !== null) {
    return redirectedWriteError(who, target, fields);
  }
  const isOfTokenServer = authentication === undefined;
  if (isOfTokenServer && isRefusal) {
    // Other statuses do not depend on the credential.
    return [400, 401, 403].includes(status)
      ? new AuthError(problem, { ...fields, advice: LOGIN_ADVICE })
      : new AuthError(problem, { ...fields, code: "response", advice: OPERATOR_ADVICE });
  }
  if (isOfStorage) return new RegistryError(`${url.host} answered ${words}`, fields);
  const isMissing = status === 404 && (!isWrite || context.content !== undefined);
  if (isMissing) return notFoundError(words, context, fields);
  if (isWrite && isRefusal) return writeError(problem, authentication, fields);
  if (status === 401 || status === 403) return accessError(problem, context, fields);
  return new RegistryError(problem, fields);
}

/**
 * Creates the error for a write that a registry redirects. Except with 307 and 308, clients turn
 * it into a read.
 */
function redirectedWriteError(
  who: string,
  target: URL,
  fields: RegistryErrorFields,
): RegistryError {
  const problem = `${who} redirects the write to ${target.origin} with ${fields.status}, ` +
    "which is not safe to follow";
  // The target may be hostile, so do not suggest sending the credential there.
  return new RegistryError(problem, { ...fields, advice: "Check the name of the registry" });
}

/** Creates the error for a read that the registry refuses. */
function accessError(
  problem: string,
  { authentication, content }: RegistryErrorContext,
  fields: RegistryErrorFields,
): AuthError {
  const what = content?.kind === undefined ? content?.name ?? "it" : "it";
  const why = fields.isAuthenticated ? "this user has no access" : "needs a login";
  return new AuthError(
    `${what} does not exist or ${why}: ${problem}${inBrackets(authentication)}`,
    { ...fields, advice: accessAdvice(fields, LOGIN_ADVICE) },
  );
}

/** Returns what to do about denied access; `login` is for a request without a credential. */
function accessAdvice({ isAuthenticated, option }: RegistryErrorFields, login: string): string {
  if (isAuthenticated) return USER_ADVICE;
  return option === "auth" ? REFUSED_ADVICE : login;
}

/** Creates the error for a change that the registry refuses. */
function writeError(
  problem: string,
  authentication: string | undefined,
  fields: RegistryErrorFields,
): RegistryError {
  const { status, registryCode } = fields;
  if (status === 401 || status === 403) {
    const advice = accessAdvice(fields, "Log in as a user with access");
    return new AuthError(`${problem}${inBrackets(authentication)}`, { ...fields, advice });
  }
  // A document may refer to a missing blob although the repository exists.
  const isRepository = status === 404 && !/^(MANIFEST_)?BLOB_/.test(registryCode ?? "");
  const Kind = isRepository ? NotFoundError : RegistryError;
  return new Kind(problem, { ...fields, advice: writeAdvice(fields) });
}

function rateLimitError(
  answered: string,
  headers: Headers,
  fields: RegistryErrorFields,
): RateLimitError {
  const limit = headers.get("ratelimit-limit") ?? undefined;
  const remaining = headers.get("ratelimit-remaining") ?? undefined;
  const quota = limit === undefined ? "" : ` (limit ${limit}, remaining ${remaining ?? "?"})`;
  const login = fields.isAuthenticated ? "" : ", or log in for a higher limit";
  const advice = `${retryAdvice(fields.retryAfterMs)}${login}`;
  return new RateLimitError(`${answered}${quota}`, { ...fields, limit, remaining, advice });
}

function notFoundError(
  words: string,
  { registry, authentication, isAuthenticated, content }: RegistryErrorContext,
  fields: RegistryErrorFields,
): NotFoundError {
  const { kind, name = "it" } = content ?? {};
  const isList = content !== undefined && kind === undefined;
  const isRepository = !isList && fields.registryCode === "NAME_UNKNOWN";
  // The parent document is accessible, so the content is missing rather than hidden.
  if (kind !== undefined && kind !== "tag" && kind !== "manifest") {
    return new NotFoundError(
      `${registry} does not have ${name}, so the image is incomplete (${words})`,
      { ...fields, missing: kind, advice: "Ask the owner of the image to push it again" },
    );
  }
  const clients = isAuthenticated ? "this user" : "unauthenticated clients";
  const check = isList || isRepository ? "Check the name" : "Check the name and the tag";
  return new NotFoundError(
    `${registry} does not have ${isRepository ? "the repository" : name}, or hides it from ` +
      clients + inBrackets(words, authentication),
    {
      ...fields,
      missing: isRepository ? "repository" : kind,
      advice: isAuthenticated
        ? `${check}, ${USER_ACCESS}`
        : isList
        ? `${check}, or log in`
        : `${check}; ${LOGIN_IF_PRIVATE}`,
    },
  );
}

function inBrackets(...parts: readonly (string | undefined)[]): string {
  const known = parts.filter((part) => part !== undefined && part !== "");
  return known.length === 0 ? "" : ` (${known.join(", ")})`;
}

/** Returns whether a quota stays exhausted for a long time: six hours at Docker Hub. */
function isExhausted(headers: Headers): boolean {
  if (headers.has("retry-after")) return false;
  const [limit = "", remaining = ""] = ["ratelimit-limit", "ratelimit-remaining"]
    .map((name) => headers.get(name) ?? "");
  const window = /;\s*w=([0-9]+)/.exec(`${remaining} ${limit}`)?.[1] ?? "0";
  return /^\s*0+(?:;|$)/.test(remaining) && Number(window) > LONG_WINDOW_S;
}

/** Returns the advice for a rejected push or deletion. */
function writeAdvice({ status, registryCode, url }: RegistryErrorFields): string | undefined {
  if (registryCode === BLOB_UNKNOWN) {
    return "First push everything that the document refers to; this registry accepts no index " +
      "without all of its manifests";
  }
  if (status === 405) return "Ask its operator whether it accepts this";
  // A blob has no tag.
  const isProtected = (status === 409 || status === 412) && url.includes("/manifests/");
  if (isProtected || registryCode === "TAG_INVALID") {
    return "Choose another tag if the registry protects this one";
  }
  return status === 413 ? "Ask its operator to raise the limit" : undefined;
}

function retryAdvice(retryAfterMs: number | undefined): string {
  if (!retryAfterMs) return "Try again later";
  const seconds = Math.ceil(retryAfterMs / 1000);
  return `Try again in ${seconds} s, at ${new Date(Date.now() + retryAfterMs).toISOString()}`;
}
