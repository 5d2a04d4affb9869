/** Error codes of the distribution specification and of Docker's registry. */
export type RegistryErrorCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DENIED"
  | "DIGEST_INVALID"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "PAGINATION_NUMBER_INVALID"
  | "RANGE_INVALID"
  | "SIZE_INVALID"
  | "TAG_INVALID"
  | "TOOMANYREQUESTS"
  | "UNAUTHORIZED"
  | "UNKNOWN"
  | "UNSUPPORTED";

/** Returns a response with the error body of the distribution specification. */
export function errorResponse(
  status: number,
  code: RegistryErrorCode,
  message: string,
  headers?: Readonly<Record<string, string>>,
): Response {
  return jsonResponse({ errors: [{ code, message }] }, headers, status);
}

/** Returns the response for a request whose method or URL cannot be used. */
export function invalidRequest(): Response {
  const message = "the method, the address or the Host header of the request is invalid";
  return errorResponse(400, "UNSUPPORTED", message);
}

/** Returns the response for a transfer coding that Node does not decode (RFC 9112, section 6.1). */
export function unknownCoding(coding: string): Response {
  return errorResponse(501, "UNSUPPORTED", `the transfer coding "${coding}" is not implemented`);
}

/** Returns a response without a body. */
export function emptyResponse(status: number, init?: HeadersInit): Response {
  const headers = new Headers(init);
  if (status !== 204) headers.set("content-length", "0");
  return new Response(null, { status, headers });
}

/** Returns a JSON response with its length. */
export function jsonResponse(
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const common = { "content-type": "application/json", "content-length": String(bytes.length) };
  return new Response(bytes, { status, headers: { ...common, ...headers } });
}

/** Adds the common headers; removes the body for HEAD. */
export function withCommonHeaders(response: Response, request: Request): Response {
  const headers = new Headers(response.headers);
  headers.set("docker-distribution-api-version", "registry/2.0");
  headers.set("x-content-type-options", "nosniff");
  const { status } = response;
  if (request.method !== "HEAD") return new Response(response.body, { status, headers });
  // The body of a response to HEAD is not sent, and its cancellation need not be awaited.
  response.body?.cancel().catch(() => {});
  return new Response(null, { status, headers });
}
