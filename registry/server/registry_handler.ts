import { checkIntegers } from "../../spec/error_facts.ts";
import { MAX_MANIFEST_BYTES } from "../../spec/image/manifest.ts";
import { isForeignPage } from "./_foreign_page.ts";
import { responseToError } from "./_response_to_error.ts";
import { routeRequest } from "./_router.ts";
import { errorResponse, invalidRequest, withCommonHeaders } from "./_server_response.ts";
import { UploadSessions } from "./_upload_sessions.ts";
import type { RegistryContent, WritableRegistryContent } from "./registry_content.ts";

/** A request that the embedded registry has answered. */
export interface RegistryRequest {
  /** Method, such as `GET`. */
  readonly method: string;
  /** Path and query of the URL. */
  readonly path: string;
  /** Status of the response. */
  readonly status: number;
}

/** Options for {@linkcode createRegistryHandler}. */
export interface RegistryHandlerOptions {
  /**
   * Called first with each request. Returns the response that rejects it, such as 401 with a
   * challenge, or `undefined` to accept it.
   *
   * By default, all requests are accepted.
   */
  readonly authenticate?:
    | ((request: Request) => Response | undefined | Promise<Response | undefined>)
    | undefined;
  /**
   * Whether to reject pushes and deletions even if the content is writable.
   *
   * @default {false}
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Maximum size of a pushed manifest or index in bytes.
   *
   * @default {4_194_304}
   */
  readonly maxManifestBytes?: number | undefined;
  /**
   * Maximum size of a pushed blob in bytes.
   *
   * @default {68_719_476_736}
   */
  readonly maxBlobBytes?: number | undefined;
  /**
   * Maximum number of unfinished uploads.
   *
   * @default {256}
   */
  readonly maxUploads?: number | undefined;
  /**
   * Time in milliseconds without a request after which an unfinished upload is discarded.
   *
   * @default {3_600_000}
   */
  readonly uploadTimeoutMs?: number | undefined;
  /**
   * Whether to accept an index that lists missing manifests. The specification leaves that to the
   * registry.
   *
   * @default {false}
   */
  readonly allowSparseIndexes?: boolean | undefined;
  /**
   * Names under which browsers may read the registry over plain HTTP without `authenticate`, in
   * addition to IP addresses and names of a local network, such as `localhost` or `nas.lan`. Other
   * names are refused, because a web page could make its own name resolve to the registry. Clients
   * that are not browsers may use any name.
   *
   * @default {[]}
   */
  readonly hostnames?: readonly string[] | undefined;
  /** Called with each request when the head of its response is ready. */
  readonly onRequest?: ((request: RegistryRequest) => void) | undefined;
  /** Called with each error that the client sees only as status 500 or 507. */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
}

/** Handler for `Deno.serve`. Disposing of it discards unfinished uploads. */
export interface RegistryHandler extends AsyncDisposable {
  (request: Request): Promise<Response>;
}

const MAX_BLOB_BYTES = 64 * 1024 * 1024 * 1024;
const MAX_UPLOADS = 256;
const UPLOAD_TIMEOUT_MS = 60 * 60 * 1000;
/** Maximum delay of a timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Creates an HTTP handler that serves content as an OCI registry according to the {@link
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md | distribution
 * specification} 1.1, with Docker's catalog.
 *
 * Content that implements {@linkcode WritableRegistryContent} can be pushed to and deleted from;
 * other content is read-only, and requests that would write are refused with `UNSUPPORTED`. A
 * manifest is accepted if everything that it refers to exists, except its `subject`.
 *
 * Bytes are served exactly as the content has them, regardless of the `Accept` header, because a
 * conversion would change their digest; `Content-Type` says what they are. Bodies are streamed in
 * both directions at the speed of the slower side, and the source of a body is canceled when the
 * client disconnects.
 *
 * @param options Access, limits and hooks.
 * @returns The handler. It answers failures of `content` with 500, and throws only what a hook
 * throws.
 * @throws {RangeError} If a limit is out of bounds.
 *
 * @example Add a registry to a web server
 * ```ts
 * import { createRegistryHandler, MemoryRegistryContent } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * await using registry = createRegistryHandler(new MemoryRegistryContent());
 * await using server = Deno.serve({ hostname: "127.0.0.1", port: 0 }, (request) => {
 *   const { pathname } = new URL(request.url);
 *   return pathname.startsWith("/v2/") ? registry(request) : new Response("Welcome");
 * });
 *
 * const response = await fetch(`http://127.0.0.1:${server.addr.port}/v2/_catalog`);
 *
 * assertEquals(await response.json(), { repositories: [] });
 * ```
 */
export function createRegistryHandler(
  content: RegistryContent,
  options: RegistryHandlerOptions = {},
): RegistryHandler {
  const { authenticate, readOnly = false, hostnames = [], onRequest, onError } = options;
  const {
    maxManifestBytes = MAX_MANIFEST_BYTES,
    maxBlobBytes = MAX_BLOB_BYTES,
    maxUploads = MAX_UPLOADS,
    uploadTimeoutMs = UPLOAD_TIMEOUT_MS,
    allowSparseIndexes = false,
  } = options;
  checkIntegers("serve a registry", { maxManifestBytes, maxBlobBytes, maxUploads }, 1);
  checkIntegers("serve a registry", { uploadTimeoutMs }, 1, MAX_TIMEOUT_MS);
  const sessions = new UploadSessions({ maxUploads, uploadTimeoutMs });
  const writing = !readOnly && isWritable(content)
    ? { content, sessions, maxManifestBytes, maxBlobBytes, allowSparseIndexes }
    : undefined;
  const access = { hasPassword: authenticate !== undefined, hostnames };
  const answer = async (request: Request, url: URL): Promise<Response> => {
    if (isForeignPage(request, url, access)) {
      return errorResponse(
        403,
        "DENIED",
        `web pages of "${url.hostname}" may not use the registry`,
      );
    }
    try {
      return await authenticate?.(request) ?? await routeRequest(content, writing, request, url);
    } catch (error) {
      const isWrite = request.method !== "GET" && request.method !== "HEAD";
      return responseToError(error, isWrite, (cause) => onError?.(cause, request));
    }
  };
  const handler = async (request: Request) => {
    const url = URL.parse(request.url);
    const response = withCommonHeaders(
      url === null ? invalidRequest() : await answer(request, url),
      request,
    );
    const path = url === null ? request.url : `${url.pathname}${url.search}`;
    try {
      onRequest?.({ method: request.method, path, status: response.status });
      return response;
    } catch (error) {
      // The body may be an open file.
      await response.body?.cancel();
      throw error;
    }
  };
  return Object.assign(handler, {
    [Symbol.asyncDispose]: () => sessions[Symbol.asyncDispose](),
  });
}

function isWritable(content: RegistryContent): content is WritableRegistryContent {
  return "beginUpload" in content;
}
