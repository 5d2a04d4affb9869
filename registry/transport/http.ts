import { Answer, type BodyReader, bodyReader } from "./answer.ts";
import { createHttpClient, type Tls } from "./http_client.ts";
import { networkError, stallError } from "./network_failure.ts";
import { type UploadStream, watchUpload } from "./upload_stream.ts";
import { isDirect } from "./_proxy.ts";
import { redactUrl } from "./redact.ts";
import { Watchdog } from "./watchdog.ts";
import { NetworkError } from "../errors.ts";
import type { RequestLog } from "../remote_client_options.ts";

/** Options of {@linkcode Http}. */
export interface HttpOptions {
  readonly userAgent: string;
  readonly stallTimeoutMs: number;
  readonly onRequest?: ((request: RequestLog) => void) | undefined;
}

/** The methods of the distribution specification, and of token servers. */
export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What a request sends. */
export type RequestBody = URLSearchParams | Uint8Array<ArrayBuffer> | UploadStream;

/** One request. */
export interface HttpRequest {
  readonly url: URL;
  readonly method: HttpMethod;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A stream is sent as it is read, without a length. */
  readonly body?: RequestBody | undefined;
  readonly tls: Tls;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
  readonly attempt: number;
  readonly signal?: AbortSignal | undefined;
}

/** Makes single requests: no redirects, no retries, no authentication. */
export class Http implements Disposable {
  readonly #options: HttpOptions;
  readonly #clients = new Map<string, Deno.HttpClient>();
  readonly #known = new Set<string>();

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** How long a server may send nothing. */
  get stallTimeoutMs(): number {
    return this.#options.stallTimeoutMs;
  }

  /** Whether the host of a URL has ever answered: if not, its name or port is most likely wrong. */
  isKnown(url: string): boolean {
    return this.#known.has(new URL(url).host);
  }

  /** Sends a request and waits for the headers of the answer, for a limited time. */
  async send(request: HttpRequest): Promise<Answer> {
    const { url, method, task, attempt, signal } = request;
    const { stallTimeoutMs, userAgent } = this.#options;
    signal?.throwIfAborted();
    const client = this.#client(request);
    const headers = headersOf({ ...request.headers, "user-agent": userAgent }, task);
    const controller = new AbortController();
    let body: BodyReader | undefined;
    const close = () => {
      body?.cancel().catch(() => {});
      controller.abort();
    };
    const watchdog = new Watchdog({
      signal,
      stallTimeoutMs,
      stallError: () => stallError(url, task, attempt, stallTimeoutMs),
      onGiveUp: close,
    });
    const started = performance.now();
    const upload = request.body instanceof ReadableStream
      ? watchUpload(request.body, watchdog)
      : undefined;
    const pending = fetch(url, {
      method,
      headers,
      body: upload?.stream ?? (request.body as URLSearchParams | Uint8Array<ArrayBuffer>) ?? null,
      redirect: "manual",
      signal: controller.signal,
      client,
    });
    try {
      const response = await watchdog.wait(pending);
      this.#known.add(url.host);
      const { status } = response;
      this.#log(request, started, { status, ...rateLimitOf(response.headers) });
      body = response.body === null ? undefined : bodyReader(response.body);
      const parts = { status, headers: response.headers, body, close };
      return new Answer(parts, { url, task, attempt }, watchdog);
    } catch (error) {
      watchdog[Symbol.dispose]();
      // An answer may still come after the wait was given up.
      pending.then(({ body }) => body?.cancel()).catch(() => {});
      signal?.throwIfAborted();
      // A missing --allow-net: Deno's own message names the flag.
      if (error instanceof Deno.errors.NotCapable) throw error;
      const failure = error instanceof NetworkError
        ? error
        : networkError(error, url, task, attempt);
      this.#log(request, started, { error: failure.reason });
      throw failure;
    } finally {
      // A server may answer before it has read the whole body.
      upload?.stop();
    }
  }

  /** Closes every connection. */
  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client({ tls, url }: HttpRequest): Deno.HttpClient {
    const direct = isDirect(url) ? url : undefined;
    const key = JSON.stringify([tls.caCerts, tls.clientCertificate, direct?.host]);
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = createHttpClient(tls, direct);
      this.#clients.set(key, client);
    }
    return client;
  }

  #log(
    { method, url }: HttpRequest,
    started: number,
    outcome: Pick<RequestLog, "status" | "error" | "rateLimit">,
  ): void {
    const durationMs = Math.round(performance.now() - started);
    this.#options.onRequest?.({ method, url: redactUrl(url), ...outcome, durationMs });
  }
}

/** The headers of a request; an error does not show the value that cannot be one. */
function headersOf(values: Readonly<Record<string, string>>, task: string): Headers {
  let headers: Headers;
  try {
    headers = new Headers(values);
  } catch {
    throw new TypeError(
      `Cannot ${task}: a header of the request, such as the credential, has characters that ` +
        "HTTP does not carry; look for line ends in it, and for others than ASCII",
    );
  }
  // The bytes are hashed as they are stored in the registry: nobody may encode them again.
  headers.set("accept-encoding", "identity");
  return headers;
}

function rateLimitOf(headers: Headers): Pick<RequestLog, "rateLimit"> {
  const [limit, remaining] = [headers.get("ratelimit-limit"), headers.get("ratelimit-remaining")];
  if (limit === null && remaining === null) return {};
  return { rateLimit: `${remaining ?? "?"} of ${limit ?? "?"}` };
}
