/** The error codes of the distribution specification that reading can meet, and Docker's. */
export type RegistryErrorCode =
  | "BLOB_UNKNOWN"
  | "DIGEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "PAGINATION_NUMBER_INVALID"
  | "RANGE_INVALID"
  | "UNAUTHORIZED"
  | "UNKNOWN"
  | "UNSUPPORTED";

/** A response with the error body of the distribution specification. */
export function failure(status: number, code: RegistryErrorCode, message: string): Response {
  return jsonResponse({ errors: [{ code, message }] }, "application/json", status);
}

/** A response of JSON, with its length. */
export function jsonResponse(
  value: unknown,
  mediaType: string = "application/json",
  status: number = 200,
): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const headers = { "content-type": mediaType, "content-length": String(bytes.length) };
  return new Response(bytes, { status, headers });
}

/** What every response has; for HEAD, no body. */
export function finish(response: Response, request: Request): Response {
  const headers = new Headers(response.headers);
  headers.set("docker-distribution-api-version", "registry/2.0");
  headers.set("x-content-type-options", "nosniff");
  const { status } = response;
  if (request.method !== "HEAD") return new Response(response.body, { status, headers });
  // Nobody waits for the cancellation of a body that nobody reads.
  response.body?.cancel().catch(() => {});
  return new Response(null, { status, headers });
}
