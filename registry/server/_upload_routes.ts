import { type Digest, isDigest, isDigestAlgorithm } from "../../spec/digest.ts";
import { bodyChunks } from "./_request_body.ts";
import { emptyResponse, errorResponse } from "./_server_response.ts";
import type { UploadSession, UploadSessions } from "./_upload_sessions.ts";
import type { WritableRegistryContent } from "./registry_content.ts";

/** Context of the upload routes. */
export interface UploadRouteContext {
  readonly content: WritableRegistryContent;
  readonly sessions: UploadSessions;
  readonly maxBlobBytes: number;
}

/** Retry delay for clients rejected because of too many uploads. */
const RETRY_AFTER_SECONDS = "10";

/**
 * Answers `POST /v2/NAME/blobs/uploads/`: mounts a blob, stores a whole one, or begins an upload.
 */
export async function postUpload(
  context: UploadRouteContext,
  name: string,
  request: Request,
  query: URLSearchParams,
): Promise<Response> {
  const { content, sessions } = context;
  const mount = query.get("mount");
  // A blob that cannot be mounted is uploaded.
  if (isDigest(mount) && await content.mount(name, mount, query.get("from") ?? undefined)) {
    return created(name, mount);
  }
  const digest = query.get("digest");
  if (digest !== null && !isDigest(digest)) return badDigest(digest);
  const algorithm = query.get("digest-algorithm") ?? digest?.split(":", 1)[0] ?? "sha256";
  if (!isDigestAlgorithm(algorithm)) {
    return errorResponse(400, "UNSUPPORTED", `digests by "${algorithm}" are not supported`);
  }
  const session = await sessions.begin(name, () => content.beginUpload(name, { algorithm }));
  if (session === undefined) {
    const headers = { "retry-after": RETRY_AFTER_SECONDS };
    return errorResponse(429, "TOOMANYREQUESTS", "too many uploads are unfinished", headers);
  }
  if (digest === null) return progress(202, session);
  try {
    return await finish(context, session, request, digest);
  } finally {
    // The client does not know the session yet.
    await sessions.cancel(session);
  }
}

/** Answers `PATCH` of an upload: appends a chunk, or a stream. */
export async function patchUpload(
  context: UploadRouteContext,
  session: UploadSession,
  request: Request,
): Promise<Response> {
  return await session.exclusive(async (signal) =>
    await append(context, session, request, signal) ?? progress(202, session)
  );
}

/** Answers `PUT` of an upload: appends the last chunk, if any, and commits the blob. */
export async function putUpload(
  context: UploadRouteContext,
  session: UploadSession,
  request: Request,
  query: URLSearchParams,
): Promise<Response> {
  const digest = query.get("digest");
  return isDigest(digest) ? await finish(context, session, request, digest) : badDigest(digest);
}

/** Answers `GET` of an upload: its progress. */
export async function getUpload(session: UploadSession): Promise<Response> {
  await session.settled();
  return progress(204, session);
}

/** Answers `DELETE` of an upload: cancels it. */
export async function deleteUpload(
  { sessions }: UploadRouteContext,
  session: UploadSession,
): Promise<Response> {
  await sessions.cancel(session);
  return emptyResponse(204);
}

async function finish(
  context: UploadRouteContext,
  session: UploadSession,
  request: Request,
  digest: Digest,
): Promise<Response> {
  return await session.exclusive(async (signal) => {
    const refused = await append(context, session, request, signal);
    if (refused !== undefined) return refused;
    context.sessions.delete(session);
    await session.commit(digest);
    return created(session.repository, digest);
  });
}

/** Appends the body of a request, or returns the response that rejects it. */
async function append(
  { sessions, maxBlobBytes }: UploadRouteContext,
  session: UploadSession,
  request: Request,
  signal: AbortSignal,
): Promise<Response | undefined> {
  const { upload } = session;
  const expected = announcedBytes(session, request.headers);
  if (expected instanceof Response) return expected;
  const tooLarge = async () => {
    await discard(sessions, session);
    return errorResponse(413, "SIZE_INVALID", `a blob may have at most ${maxBlobBytes} bytes`);
  };
  if (upload.size + (expected ?? 0) > maxBlobBytes) return await tooLarge();
  let count = 0;
  for await (const chunk of bodyChunks(request.body, signal)) {
    count += chunk.length;
    if (upload.size + chunk.length > maxBlobBytes) return await tooLarge();
    if (expected !== undefined && count > expected) {
      return errorResponse(400, "SIZE_INVALID", `the body has more than ${expected} bytes`);
    }
    try {
      await session.write(chunk);
    } catch (error) {
      // Discarding the bytes frees the disk again.
      await discard(sessions, session);
      throw error;
    }
  }
  if (expected === undefined || count === expected) return undefined;
  return errorResponse(400, "SIZE_INVALID", `received ${count} of ${expected} bytes`);
}

/** Returns the size of a body by its headers, if they have it, or the response that rejects it. */
function announcedBytes(session: UploadSession, headers: Headers): number | undefined | Response {
  const { size } = session.upload;
  const range = parseContentRange(headers.get("content-range"));
  if (range === null) {
    return errorResponse(400, "BLOB_UPLOAD_INVALID", 'Content-Range must be "FIRST-LAST"');
  }
  if (range !== undefined && range.first !== size) {
    const message = `the next byte of the upload is ${size}`;
    return errorResponse(416, "RANGE_INVALID", message, progressHeaders(session));
  }
  const declared = headers.get("content-length");
  const length = declared === null ? undefined : Number(declared);
  const expected = range === undefined ? length : range.last - range.first + 1;
  if (expected !== undefined && length !== undefined && expected !== length) {
    return errorResponse(
      400,
      "SIZE_INVALID",
      `Content-Range has ${expected} bytes, the body ${length}`,
    );
  }
  return expected;
}

/** Ends a session from its writing task. */
async function discard(sessions: UploadSessions, session: UploadSession): Promise<void> {
  sessions.delete(session);
  await session.discard();
}

/** Parses the range of a chunk; returns `null` if malformed. Some clients use HTTP's form. */
function parseContentRange(
  header: string | null,
): { readonly first: number; readonly last: number } | null | undefined {
  if (header === null) return undefined;
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  return match === null || last < first ? null : { first, last };
}

function badDigest(digest: string | null): Response {
  return errorResponse(
    400,
    "DIGEST_INVALID",
    digest === null
      ? 'the query must have the "digest" of the blob'
      : `"${digest}" is not a sha256 or sha512 digest`,
  );
}

function created(name: string, digest: Digest): Response {
  return emptyResponse(201, {
    "location": `/v2/${name}/blobs/${digest}`,
    "docker-content-digest": digest,
  });
}

function progress(status: number, session: UploadSession): Response {
  return emptyResponse(status, progressHeaders(session));
}

/** Returns the address and range of the upload. `0-0` means either no byte or one. */
function progressHeaders(
  { id, repository, upload }: UploadSession,
): Readonly<Record<string, string>> {
  return {
    "location": `/v2/${repository}/blobs/uploads/${id}`,
    "range": `0-${Math.max(upload.size - 1, 0)}`,
    "docker-upload-uuid": id,
  };
}
