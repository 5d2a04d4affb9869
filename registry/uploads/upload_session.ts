import type { Digest } from "../../spec/digest.ts";
import type { ApiRequest, Registry } from "../endpoints/registry.ts";
import { RegistryError } from "../errors.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { isPrivateAddress } from "../transport/private_address.ts";
import { redactUrl } from "../transport/redact.ts";
import { redirectTarget } from "../transport/redirect.ts";

/** Path of the uploads of a repository. */
export const UPLOADS = "blobs/uploads/";
/** Statuses of a new upload; some registries do not return 202. */
const BEGUN = [201, 202, 204];
/** Maximum number of progress requests before the last response is used. */
const MAX_PROGRESS_REQUESTS = 5;
/** Pause between the first two progress requests, in milliseconds. */
const SETTLE_MS = 20;
/** Statuses for an upload that the registry has lost, and of registries that report no progress. */
const NO_PROGRESS = [400, 403, 404, 405, 406, 410, 416, 501];

/** An upload session of a registry. */
export interface UploadSession {
  /** Address of the next request; every response may change it. */
  readonly url: URL;
  /** Number of bytes that the registry has. */
  readonly offset: number;
  /** Minimum size of each chunk but the last; 0 if the registry sets none. */
  readonly minChunkBytes: number;
}

/** Parses the session of an upload from the response to one of its requests. */
export function readSession(
  response: HttpResponse,
  previous: UploadSession | undefined,
  registry: Registry,
): UploadSession {
  const { isPrivate } = registry.endpoint;
  const hasLocation = response.headers.has("location");
  const url = hasLocation || previous === undefined ? uploadUrl(response, isPrivate) : previous.url;
  const min = Number(response.headers.get("oci-chunk-min-length") ?? NaN);
  return {
    url,
    // A new upload has no bytes, whatever the registry reports.
    offset: previous === undefined ? 0 : rangeEnd(response.headers.get("range")) ?? previous.offset,
    minChunkBytes: Number.isSafeInteger(min) && min > 0 ? min : previous?.minChunkBytes ?? 0,
  };
}

/**
 * Parses the `Location` of an upload, absolute or relative, with or without a query. Checks it like
 * a redirect.
 */
function uploadUrl(response: HttpResponse, allowPrivate: boolean): URL {
  const location = response.headers.get("location");
  if (location === null) {
    const { status, url: { host } } = response;
    throw response.error(`${host} answered ${status} without a Location for the upload`);
  }
  const url = URL.parse(location, response.url);
  if (url !== null && isOwnUpload(url, response.url, allowPrivate)) {
    const own = new URL(response.url);
    // Resolving a path that begins with two slashes would take its first part as a host.
    own.pathname = url.pathname;
    own.search = url.search;
    return own;
  }
  return redirectTarget(response, allowPrivate);
}

/**
 * Returns whether an address means the registry itself although its scheme, port or host differs: a
 * registry behind a proxy may not know its public address. That is assumed if the path is one of an
 * upload to the same repository, and the address is on the same host or would be unsafe to follow;
 * with any path if only the scheme differs.
 */
function isOwnUpload(url: URL, own: URL, allowPrivate: boolean): boolean {
  const [path = ""] = own.pathname.split(`/${UPLOADS}`, 1);
  const isDowngrade = url.protocol === "http:" && own.protocol === "https:";
  const isThere = url.hostname === own.hostname;
  // The port does not speak TLS. Without a port, https means another one.
  const isUpgrade = url.protocol === "https:" && own.protocol === "http:";
  if (isThere && isUpgrade && url.port === own.port && url.port !== "") return true;
  const isUnsafe = isDowngrade || (isPrivateAddress(url) && !allowPrivate);
  return /^https?:$/.test(url.protocol) && url.pathname.startsWith(`${path}/${UPLOADS}`) &&
    (isThere || isUnsafe);
}

/** Returns the number of bytes in the `Range` of an upload: `0-1023` is 1024. */
function rangeEnd(header: string | null): number | undefined {
  const match = /^(?:bytes[= ])?0-(-1|[0-9]+)$/.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const end = Number(match[1]);
  // Registries return "0-0" for an empty upload, and Gitea "0--1".
  return end === 0 ? 0 : end + 1;
}

/** A request for the progress of an upload. */
export interface ProgressRequest
  extends Pick<ApiRequest, "repository" | "scope" | "task" | "signal" | "onWarning"> {
  readonly registry: Registry;
  readonly attempt: number;
  /** Size of the blob. */
  readonly size: number;
}

/** Context of an upload. */
export interface UploadContext
  extends Omit<ProgressRequest, "attempt" | "size">, Pick<ApiRequest, "onRetry"> {
  /** Called with the number of sent bytes. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Returns whether the registry has the blob after all. */
  readonly exists: () => Promise<boolean>;
}

/** Begins an upload with one request. */
export async function beginUpload(context: UploadContext, attempt: number): Promise<UploadSession> {
  const request = { ...context, method: "POST", path: UPLOADS, accept: BEGUN } as const;
  using response = await context.registry.sendOnce(request, attempt);
  return readSession(response, undefined, context.registry);
}

/**
 * Requests the progress of an upload.
 *
 * @returns `undefined` if the registry has lost the upload or reports no progress.
 */
export async function readProgress(
  session: UploadSession,
  { registry, attempt, size, ...request }: ProgressRequest,
): Promise<UploadSession | undefined> {
  const { url } = session;
  // A registry that fails to report progress may still accept another upload.
  const noProgress = attempt > 2 ? [...NO_PROGRESS, 500] : NO_PROGRESS;
  const accept = [202, 204, ...noProgress];
  using response = await registry.sendOnce(
    { ...request, method: "GET", path: UPLOADS, url, accept },
    attempt,
  );
  if (noProgress.includes(response.status) || !response.headers.has("range")) return undefined;
  const now = readSession(response, session, registry);
  return now.offset > size ? undefined : now;
}

/**
 * Requests the progress of an upload until two responses agree: after a broken connection, a
 * registry may still be storing received bytes.
 */
export async function settledProgress(
  session: UploadSession,
  request: ProgressRequest,
): Promise<UploadSession | undefined> {
  let now = await readProgress(session, request);
  const { clock } = request.registry.policy;
  for (let i = 1; i < MAX_PROGRESS_REQUESTS && now !== undefined; i++) {
    await clock.sleep(i * SETTLE_MS, request.signal);
    const next = await readProgress(now, request);
    if (next?.offset === now.offset) return next;
    now = next;
  }
  return now;
}

/** Returns the address that completes an upload; keeps the query, which may be signed. */
export function finishUrl({ url }: UploadSession, digest: Digest): URL {
  const finish = new URL(url);
  const query = finish.search.replace(/^\?/, "");
  finish.search = `${query === "" ? "" : `${query}&`}digest=${encodeURIComponent(digest)}`;
  return finish;
}

/** Creates the error for a registry that responds with success, but cannot be used. */
export function unusableError(
  { url }: UploadSession,
  { registry, task }: Pick<ProgressRequest, "registry" | "task">,
  state: string,
): RegistryError {
  const { registry: name } = registry.endpoint;
  return new RegistryError(`${name} ${state}`, { ...task, status: 202, url: redactUrl(url) });
}
