import { isObject, parseIfJson } from "../../spec/json.ts";
import { startTimer } from "../tasks/timer.ts";
import type { HttpResponse } from "./http_response.ts";
import { readUpTo, sourceOf } from "./bounded_body.ts";
import { canDecode, contentCodings, decodeContent } from "./content_coding.ts";
import { redactText, redactUrl } from "./redact.ts";
import { isTransientStatus, requestedPause } from "./retry.ts";
import { AuthError, NotFoundError, RateLimitError, RegistryError } from "../errors.ts";
import type { MissingKind, RegistryErrorFields } from "../error_fields.ts";

const MAX_BODY_BYTES = 64 * 1024;
const MAX_DETAIL_LENGTH = 500;
/** Window of a rate limit, in seconds, above which retries cannot outlast an exhausted quota. */
const LONG_WINDOW_S = 600;
/** Maximum time to read the body of an error response, in milliseconds. */
const MAX_BODY_MS = 2_000;
const CODE_REGEXP = /^[A-Za-z0-9_.-]{1,64}$/;
const XML_ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  amp: "&",
};
/** Code for a document that refers to a missing blob. */
const BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN";
/** Codes with which registries reject a change, in some cases with status 500. */
const REJECTIONS: ReadonlySet<string> = new Set([
  "DENIED",
  BLOB_UNKNOWN,
  "MANIFEST_INVALID",
  "MANIFEST_UNVERIFIED",
  "NAME_INVALID",
  "TAG_INVALID",
  "UNSUPPORTED",
]);
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
const MISSING_ADVICE = "Check the name and the tag; if the repository is private, log in";
const USER_ADVICE = "Ask its owner for access, or log in again";
const USER_MISSING_ADVICE = "Check the name and the tag, and whether this user has access";

/** Content that may be missing in a registry. */
export interface MissingContent {
  readonly kind: MissingKind;
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
   * @default The name of the registry.
   */
  readonly server?: string | undefined;
  /** Authentication attempts; absent for a response of a token server. */
  readonly authentication?: string | undefined;
  /** Whether the registry accepted the credential of the request. */
  readonly isAuthenticated?: boolean | undefined;
  /** Requested content. */
  readonly content?: MissingContent | undefined;
  /** Whether the request was a write. */
  readonly isWrite?: boolean | undefined;
}

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
  const { status, headers, request: { task, attempt } } = response;
  const { registry, authentication, isAuthenticated } = context;
  const { code: registryCode, detail, isOfRegistry } = parseErrorBody(await readBody(response));
  const retryAfterMs = requestedPause(headers, Date.now());
  const isRateLimit = status === 429 || registryCode === "TOOMANYREQUESTS";
  // `registry:2` rejects a manifest with 500 if one of several reasons has no code.
  const isRejection = status === 500 && context.isWrite === true &&
    REJECTIONS.has(registryCode ?? "");
  const isRefusal = isRejection || (status >= 400 && status < 500);
  const isTokenServer = authentication === undefined;
  // Some registries redirect to another registry, others to a storage server.
  const isOfStorage = response.redirected && isOfRegistry !== true;
  // A signed URL of a storage server expires; the registry then returns a new one.
  const isExpired = isOfStorage && isRefusal;
  const fields = {
    ...task,
    status,
    registryCode,
    detail,
    url: redactUrl(response.url),
    registry,
    requestId: REQUEST_ID_HEADERS.map((name) => headers.get(name)).find((id) => id) ?? undefined,
    isAuthenticated,
    // Some registries find a blob only some time after its upload (moby#36823).
    retryable: (context.isWrite && isRefusal && !isRejection && registryCode === BLOB_UNKNOWN) ||
      (isTransientStatus(status) && !isRejection && !isExhausted(headers)) || isExpired ||
      (isRateLimit && !isExhausted(headers)),
    attempts: attempt,
    retryAfterMs,
  };
  const words = describeResponse(fields, attempt);
  const { server = registry } = context;
  const who = response.redirected
    ? `${response.url.host}, to which ${registry} redirects,`
    : server;
  const answered = `${who} answered ${words}`;
  if (isRateLimit) return rateLimitError(answered, headers, fields);
  const target = URL.parse(headers.get("location") ?? "", response.url);
  if (context.isWrite && status >= 300 && status < 400 && target !== null) {
    // Except with 307 and 308, clients turn a redirected write into a read. The target may be
    // hostile, so do not suggest sending the credential there.
    const problem = `${who} redirects the write to ${target.origin} with ${status}, ` +
      "which is not safe to follow";
    return new RegistryError(problem, { ...fields, advice: "Check the name of the registry" });
  }
  if (isTokenServer && isRefusal) {
    return new AuthError(answered, { ...fields, advice: LOGIN_ADVICE });
  }
  const isDeletion = context.isWrite && context.content !== undefined;
  if (context.isWrite && isRefusal && !isOfStorage && !(isDeletion && status === 404)) {
    return writeError(answered, authentication, fields);
  }
  if ((status === 401 || status === 403) && !isOfStorage) {
    const why = isAuthenticated ? "this user has no access" : "needs a login";
    return new AuthError(
      `it does not exist or ${why}: ${answered}${inBrackets(authentication)}`,
      { ...fields, advice: isAuthenticated ? USER_ADVICE : LOGIN_ADVICE },
    );
  }
  if (status === 404 && !isOfStorage) return notFoundError(words, context, fields);
  return new RegistryError(`${isOfStorage ? response.url.host : who} answered ${words}`, fields);
}

/** Creates the error for a change that the registry refuses. */
function writeError(
  problem: string,
  authentication: string | undefined,
  fields: RegistryErrorFields,
): RegistryError {
  const { status, registryCode, isAuthenticated } = fields;
  if (status === 401 || status === 403) {
    const advice = isAuthenticated ? USER_ADVICE : "Log in as a user with access";
    return new AuthError(`${problem}${inBrackets(authentication)}`, { ...fields, advice });
  }
  // A document may refer to a missing blob although the repository exists.
  const isRepository = status === 404 && !/^(MANIFEST_)?BLOB_/.test(registryCode ?? "");
  const Kind = isRepository ? NotFoundError : RegistryError;
  return new Kind(problem, { ...fields, advice: writeAdvice(status, registryCode) });
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
  // The parent document is accessible, so the content is missing rather than hidden.
  if (kind !== undefined && kind !== "tag" && kind !== "manifest") {
    return new NotFoundError(
      `${registry} does not have ${name}, so the image is incomplete (${words})`,
      { ...fields, missing: kind, advice: "Ask the owner of the image to push it again" },
    );
  }
  const strangers = isAuthenticated ? "this user" : "unauthenticated clients";
  return new NotFoundError(
    `${registry} does not have ${name}, or hides it from ${strangers}` +
      inBrackets(words, authentication),
    { ...fields, missing: kind, advice: isAuthenticated ? USER_MISSING_ADVICE : MISSING_ADVICE },
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
function writeAdvice(status: number, registryCode: string | undefined): string | undefined {
  if (registryCode === BLOB_UNKNOWN) {
    return "First push everything that the document refers to; this registry accepts no index " +
      "without all of its manifests";
  }
  if (status === 405) return "Ask its operator whether it accepts this";
  if (status === 409 || status === 412 || registryCode === "TAG_INVALID") {
    return "Choose another tag if the registry protects this one";
  }
  return status === 413 ? "Ask its operator to raise the limit" : undefined;
}

function retryAdvice(retryAfterMs: number | undefined): string {
  if (retryAfterMs === undefined) return "Try again later";
  const seconds = Math.ceil(retryAfterMs / 1000);
  return `Try again in ${seconds} s, at ${new Date(Date.now() + retryAfterMs).toISOString()}`;
}

async function readBody(response: HttpResponse): Promise<string> {
  using _timer = startTimer(MAX_BODY_MS, () => response[Symbol.dispose]());
  try {
    const { bytes } = await readUpTo(response, MAX_BODY_BYTES);
    return new TextDecoder().decode(await decodeBody(response, bytes));
  } catch {
    // The status is enough; a truncated body must not hide it.
    return "";
  }
}

/** Decodes the content codings of an error body, as far as received. */
async function decodeBody(
  response: HttpResponse,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  if (!canDecode(contentCodings(response))) return bytes;
  try {
    return (await readUpTo(decodeContent(response, sourceOf(bytes)), MAX_BODY_BYTES)).bytes;
  } catch {
    // The body does not match its header.
    return bytes;
  }
}

/** Parts of the body of an error. */
interface ErrorBody {
  readonly code?: string | undefined;
  readonly detail?: string | undefined;
  /** Whether it has the form of the distribution specification. */
  readonly isOfRegistry?: boolean;
}

/**
 * Parses errors of the distribution specification, the looser ones of token servers, and the text
 * or title of a page from an intermediary.
 */
function parseErrorBody(text: string): ErrorBody {
  const body = parseIfJson(text);
  if (body === undefined) {
    if (/^\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]/.test(text)) return parseXmlError(text);
    const plain = /^\s*[<{[]/.test(text) ? /<title>([^<]*)/i.exec(text)?.[1] : text.trim();
    return { detail: plain ? shorten(plain) : undefined };
  }
  if (!isObject(body)) return {};
  const { errors, ...flat } = body;
  const entries = Array.isArray(errors) ? errors.filter(isObject) : [];
  const entry = entries.find(({ code }) => REJECTIONS.has(String(code))) ?? entries[0] ?? flat;
  const code = typeof entry.code === "string" && CODE_REGEXP.test(entry.code)
    ? entry.code
    : undefined;
  const words = [entry.message, entry.error_description, entry.error, entry.details]
    .find((value) => typeof value === "string" && value !== "");
  // Quay and Artifactory (kaniko#1095) put the reason here, others the digest of a missing blob.
  const { detail: more } = entry;
  const reason = isObject(more) ? more.message ?? more.description : more;
  const all = [words, String(words).includes(String(reason)) ? "" : reason]
    .filter((text) => typeof text === "string" && text !== "");
  const detail = all.length === 0 ? undefined : shorten(all.join(": "));
  return { code, detail, isOfRegistry: entries.length > 0 };
}

/** Parses errors of storage services; S3, GCS and Azure use the same elements. */
function parseXmlError(text: string): ErrorBody {
  const element = (name: string) => {
    return new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]?.trim();
  };
  const code = element("Code") ?? "";
  const message = element("Message") ?? "";
  return {
    code: CODE_REGEXP.test(code) ? code : undefined,
    detail: message === "" ? undefined : shorten(unescapeXml(message)),
  };
}

function unescapeXml(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|amp|#[0-9]{1,7});/g, (whole, name: string) => {
    if (!name.startsWith("#")) return XML_ENTITIES[name] ?? whole;
    const point = Number(name.slice(1));
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

/** Sanitizes untrusted text for a terminal: removes control characters and limits its length. */
function shorten(text: string): string {
  // deno-lint-ignore no-control-regex
  const plain = redactText(text).replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return plain.length > MAX_DETAIL_LENGTH ? `${plain.slice(0, MAX_DETAIL_LENGTH)}…` : plain;
}
