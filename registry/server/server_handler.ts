import { MAX_MANIFEST_BYTES } from "../../spec/manifest.ts";
import type { RegistryContent, WritableRegistryContent } from "../registry_content.ts";
import { noHost, refusal } from "./_refusal.ts";
import { routeRequest } from "./_router.ts";
import { finish } from "./_server_response.ts";
import { UploadSessions } from "./_upload_sessions.ts";

/** One request that the embedded registry has answered. */
export interface RegistryRequest {
  /** Method, such as `GET`. */
  readonly method: string;
  /** Path and query of the URL. */
  readonly path: string;
  /** Status of the answer. */
  readonly status: number;
}

/** Options for {@linkcode createRegistryHandler}. */
export interface RegistryHandlerOptions {
  /**
   * Called with each request before anything else. Returns the response that refuses it, such as
   * 401 with a challenge, or `undefined` to let it pass.
   *
   * @default Every request passes.
   */
  readonly authenticate?:
    | ((request: Request) => Response | undefined | Promise<Response | undefined>)
    | undefined;
  /**
   * Whether pushes and deletions are refused even if the content is writable.
   *
   * @default {false}
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Maximum number of bytes of a manifest or an index that is pushed.
   *
   * @default {4_194_304}
   */
  readonly maxManifestBytes?: number | undefined;
  /**
   * Maximum number of bytes of a blob that is pushed.
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
   * Whether an index is accepted while manifests that it lists are missing. The specification
   * leaves that to the registry.
   *
   * @default {false}
   */
  readonly allowSparseIndexes?: boolean | undefined;
  /** Called with each request when the head of its answer is ready. */
  readonly onRequest?: ((request: RegistryRequest) => void) | undefined;
  /** Called with each failure of which the client learns nothing but the status 500 or 507. */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
}

/**
 * Answers one request, as `Deno.serve` wants it. Disposing of it discards unfinished uploads.
 */
export interface RegistryHandler extends AsyncDisposable {
  (request: Request): Promise<Response>;
}

const MAX_BLOB_BYTES = 64 * 1024 * 1024 * 1024;
const MAX_UPLOADS = 256;
const UPLOAD_TIMEOUT_MS = 60 * 60 * 1000;
/** The longest that a timer can wait. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Makes an HTTP handler that serves content as an OCI registry, as the
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md | distribution specification}
 * 1.1 describes it, with Docker's catalog.
 *
 * Content that implements {@linkcode WritableRegistryContent} can be pushed to and deleted from;
 * other content is read-only, and requests that would write are refused with `UNSUPPORTED`. A
 * manifest is accepted when everything that it refers to is there, its `subject` excepted.
 *
 * Bytes are served exactly as the content has them, whatever the `Accept` header lists, as they
 * cannot be converted without changing their digest; `Content-Type` says what they are. Bodies
 * are streamed in both directions, as fast as the other side is, and the source of a body is
 * cancelled when the client disconnects.
 *
 * @param content What is served.
 * @param options Access, limits and hooks.
 * @returns The handler. It answers failures of `content` with 500 and does not throw.
 * @throws {RangeError} If a limit is out of bounds.
 *
 * @example A registry without a network
 * ```ts
 * import { createRegistryHandler, MemoryRegistryContent } from "@x/oci/registry";
 * import { digestOf } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * await using handler = createRegistryHandler(new MemoryRegistryContent());
 * const digest = digestOf(new TextEncoder().encode("hello"));
 * const url = `http://localhost/v2/team/app/blobs/uploads/?digest=${digest}`;
 * const response = await handler(new Request(url, { method: "POST", body: "hello" }));
 *
 * assertEquals(response.status, 201);
 * assertEquals(response.headers.get("location"), `/v2/team/app/blobs/${digest}`);
 * ```
 */
export function createRegistryHandler(
  content: RegistryContent,
  options: RegistryHandlerOptions = {},
): RegistryHandler {
  const { authenticate, readOnly = false, onRequest, onError } = options;
  const {
    maxManifestBytes = MAX_MANIFEST_BYTES,
    maxBlobBytes = MAX_BLOB_BYTES,
    maxUploads = MAX_UPLOADS,
    uploadTimeoutMs = UPLOAD_TIMEOUT_MS,
    allowSparseIndexes = false,
  } = options;
  checkLimits({ maxManifestBytes, maxBlobBytes, maxUploads, uploadTimeoutMs });
  const sessions = new UploadSessions({ maxUploads, uploadTimeoutMs });
  const writing = !readOnly && isWritable(content)
    ? { content, sessions, maxManifestBytes, maxBlobBytes, allowSparseIndexes }
    : undefined;
  const answer = async (request: Request, url: URL): Promise<Response> => {
    try {
      return await authenticate?.(request) ?? await routeRequest(content, writing, request, url);
    } catch (error) {
      const isWrite = request.method !== "GET" && request.method !== "HEAD";
      return refusal(error, isWrite, (cause) => onError?.(cause, request));
    }
  };
  const handler = async (request: Request) => {
    const url = URL.parse(request.url);
    const response = finish(url === null ? noHost() : await answer(request, url), request);
    const path = url === null ? request.url : `${url.pathname}${url.search}`;
    onRequest?.({ method: request.method, path, status: response.status });
    return response;
  };
  return Object.assign(handler, {
    [Symbol.asyncDispose]: () => sessions[Symbol.asyncDispose](),
  });
}

function checkLimits(limits: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(limits)) {
    const max = name === "uploadTimeoutMs" ? MAX_TIMEOUT_MS : Number.MAX_SAFE_INTEGER;
    if (Number.isSafeInteger(value) && value >= 1 && value <= max) continue;
    throw new RangeError(
      `Cannot serve a registry as "${name}" must be an integer from 1 to ${max}: it is ${value}`,
    );
  }
}

function isWritable(content: RegistryContent): content is WritableRegistryContent {
  return "beginUpload" in content;
}
