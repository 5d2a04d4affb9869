import { Answer, type BodyReader, bodyReader } from "./answer.ts";
import { HostAddresses } from "./_host_addresses.ts";
import { clientKey, createHttpClient, type Route, type Tls } from "./http_client.ts";
import {
  type FailedRequest,
  networkError,
  proxyLoginError,
  stallError,
} from "./network_failure.ts";
import { nodeFetch, suitsNode } from "./_node_fetch.ts";
import { isLinkLocal, isLoopback, parseIp } from "./private_address.ts";
import { findProxy } from "./_proxy.ts";
import { type UploadStream, watchUpload } from "./upload_stream.ts";
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
  /**
   * What the server is, for the errors, such as `the token server auth.example`.
   *
   * @default The host of the URL.
   */
  readonly server?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `fetch` is given beside the URL. */
interface FetchInit {
  readonly method: string;
  readonly headers: Headers;
  readonly body: RequestBody | null;
  readonly signal: AbortSignal;
  readonly client: Deno.HttpClient;
}

/** Makes single requests: no redirects, no retries, no authentication. */
export class Http implements Disposable {
  readonly #options: HttpOptions;
  readonly #clients = new Map<string, Deno.HttpClient>();
  readonly #known = new Set<string>();
  readonly #addresses = new HostAddresses();
  /** Origins that `fetch` does not reach, but Node's client does. */
  readonly #byNode = new Set<string>();

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
    const { url, method, task, signal } = request;
    const { stallTimeoutMs, userAgent } = this.#options;
    signal?.throwIfAborted();
    const route = await this.#route(request);
    const client = this.#client(request, route);
    const asked: FailedRequest = { ...request, proxy: route.proxy };
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
      stallError: () => stallError(asked, stallTimeoutMs),
      onGiveUp: close,
    });
    const started = performance.now();
    const { body: content = null } = request;
    const upload = content instanceof ReadableStream ? watchUpload(content, watchdog) : undefined;
    const pending = this.#fetch(request, route, {
      method,
      headers,
      body: content instanceof ReadableStream ? upload?.stream ?? null : content,
      signal: controller.signal,
      client,
    });
    try {
      const response = await watchdog.wait(pending);
      // To a tunnel for TLS, the proxy says so before there is an answer.
      if (response.status === 407 && route.proxy !== undefined) throw proxyLoginError(asked);
      this.#known.add(url.host);
      const { status } = response;
      this.#log(request, started, { status, ...rateLimitOf(response.headers) });
      body = response.body === null ? undefined : bodyReader(response.body);
      const parts = { status, headers: response.headers, body, close };
      return new Answer(parts, asked, watchdog);
    } catch (error) {
      watchdog[Symbol.dispose]();
      // An answer may still come after the wait was given up.
      pending.then(({ body }) => body?.cancel()).catch(() => {});
      signal?.throwIfAborted();
      // A missing --allow-net: Deno's own message names the flag.
      if (error instanceof Deno.errors.NotCapable) throw error;
      const failure = error instanceof NetworkError ? error : networkError(error, asked);
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

  /** Finds out how to get to a server, and refuses addresses that nobody should connect to. */
  async #route(request: HttpRequest): Promise<Route> {
    const { url, task, signal } = request;
    if (isLinkLocal(url.hostname)) throw linkLocalError(url, task);
    const proxy = findProxy(url, task);
    // A proxy resolves names by itself.
    if (proxy !== undefined || isLoopback(url) || parseIp(url.hostname) !== undefined) {
      return { proxy };
    }
    const { stallTimeoutMs } = this.#options;
    using watchdog = new Watchdog({
      signal,
      stallTimeoutMs,
      stallError: () => stallError(request, stallTimeoutMs),
      onGiveUp: () => {},
    });
    const { isRefused, only } = await watchdog.wait(this.#addresses.find(url.hostname));
    if (isRefused) throw linkLocalError(url, task);
    return { address: only };
  }

  async #fetch({ tls, url }: HttpRequest, route: Route, init: FetchInit): Promise<Response> {
    const { proxy } = route;
    if (this.#byNode.has(url.origin)) return await nodeFetch(url, { ...init, tls, proxy });
    try {
      return await fetch(url, { ...init, redirect: "manual" });
    } catch (error) {
      // What was read of a stream cannot be sent again.
      if (!suitsNode(error, tls) || init.body instanceof ReadableStream) throw error;
      this.#byNode.add(url.origin);
      return await nodeFetch(url, { ...init, tls, proxy });
    }
  }

  #client({ tls, url }: HttpRequest, route: Route): Deno.HttpClient {
    const key = clientKey(tls, url, route);
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = createHttpClient(tls, url, route);
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

function linkLocalError(url: URL, task: string): NetworkError {
  const host = parseIp(url.hostname) === undefined
    ? `${url.host} resolves to a link-local address`
    : `${url.host} is a link-local address`;
  return new NetworkError(
    `Cannot ${task}: ${host}, and such addresses are never connected to, as clouds keep credentials there`,
    { url: url.origin, reason: "request" },
  );
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
