import { isDiskFull, problemOf } from "../../spec/error_facts.ts";
import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import { AuthError, NetworkError, RateLimitError, RegistryError } from "../errors.ts";
import { TooManyLoginsError } from "./_login_queue.ts";
import { RequestBodyError } from "./_request_body.ts";
import { errorResponse } from "./_server_response.ts";
import { UploadTakenError } from "./_upload_sessions.ts";

/**
 * Returns the response for an error.
 *
 * @param isWrite Whether the request writes, so that it may be at fault; errors of a read are
 * caused by the content.
 * @param onUnknown Called if the response does not describe the error.
 */
export function responseToError(
  error: unknown,
  isWrite: boolean,
  onUnknown: (error: unknown) => void,
): Response {
  if (error instanceof RequestBodyError) {
    return errorResponse(400, "BLOB_UPLOAD_INVALID", "the body of the request ended early");
  }
  if (error instanceof UploadTakenError) {
    return errorResponse(409, "BLOB_UPLOAD_INVALID", "another request writes to the upload");
  }
  if (error instanceof TooManyLoginsError) {
    const message = "too many logins are being checked";
    return errorResponse(429, "TOOMANYREQUESTS", message, { "retry-after": "1" });
  }
  if (isWrite && error instanceof DigestMismatchError) {
    return errorResponse(400, "DIGEST_INVALID", `the digest of the blob is not ${error.expected}`);
  }
  if (isWrite && error instanceof LimitError) {
    return errorResponse(413, "SIZE_INVALID", error.message);
  }
  if (!isWrite && error instanceof Deno.errors.NotFound) {
    // The content was removed between two accesses.
    return errorResponse(404, "BLOB_UNKNOWN", "the content is no longer there");
  }
  if (error instanceof RateLimitError) return tooManyRequests(error);
  if (error instanceof AuthError) {
    return errorResponse(403, "DENIED", "the upstream registry denies access");
  }
  onUnknown(error);
  if (error instanceof RegistryError || error instanceof NetworkError) {
    return errorResponse(502, "UNKNOWN", `the upstream registry failed: ${problemOf(error)}`);
  }
  return isByFullDisk(error)
    ? errorResponse(507, "UNKNOWN", "the disk of the registry is full")
    : errorResponse(500, "UNKNOWN", "the registry failed");
}

function tooManyRequests({ retryAfterMs }: RateLimitError): Response {
  const headers = retryAfterMs === undefined
    ? undefined
    : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
  return errorResponse(429, "TOOMANYREQUESTS", "the upstream registry limits requests", headers);
}

function isByFullDisk(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isDiskFull(cause)) return true;
  }
  return false;
}
