import { explainedError, isExplained } from "../../spec/error_facts.ts";
import type { HostCertificates } from "../credentials.ts";
import { NetworkError, type RequestTask } from "../errors.ts";
import type { BodyReader } from "../http1/body_reader.ts";
import { ConnectionPool } from "../http1/connection_pool.ts";
import type { ConnectionResponse } from "../http1/http_connection.ts";
import { isUploadSource } from "../http1/upload_source.ts";
import type { RequestLog } from "../remote_client_options.ts";
import { HostAddresses } from "./_host_addresses.ts";
import { canSetProxyVariables, findProxy } from "./_proxy.ts";
import { Watchdog } from "./_watchdog.ts";
import { BoundedMap, MAX_HOSTS } from "./bounded_map.ts";
import type { HttpRequest, RequestParts, Route, Tls } from "./http_request.ts";
import { HttpResponse } from "./http_response.ts";
import { parseIp } from "./ip_network.ts";
import { type FailedRequest, networkError, stallError } from "./network_failure.ts";
import { isLoopback, isMetadataAddress } from "./private_address.ts";
import { redactUrl } from "./redact.ts";

/** Maximum number of clients to keep; each has its own connections and certificates. */
const MAX_FETCH_CLIENTS = 256;

/** Options for {@linkcode Http}. */
export interface HttpOptions {
  readonly userAgent: string;
  readonly stallTimeoutMs: number;
  readonly onRequest?: ((request: RequestLog) => void) | undefined;
  /** Finds the certificates for a host. */
  readonly findCertificates?: CertificateFinder | undefined;
}

type CertificateFinder = (host: string) => Promise<HostCertificates | undefined>;

/** Sends single requests, without redirects, retries or authentication. */
export class Http implements Disposable {
  readonly #options: HttpOptions;
  /** Requests that a closed client has begun still complete. */
  readonly #fetchClients = new BoundedMap<string, Deno.HttpClient>(
    MAX_FETCH_CLIENTS,
    (client) => client.close(),
  );
  /** Latency of each host that has responded, in milliseconds. */
  readonly #known = new BoundedMap<string, number>(MAX_HOSTS);
  readonly #addresses = new HostAddresses();
  readonly #pool = new ConnectionPool();
  /** Origins that only Node's client can reach. */
  readonly #byNode = new BoundedMap<string, true>(MAX_HOSTS);
  /** Origins with an aborted TLS handshake: only `fetch` closes the sockets of further ones. */
  readonly #silent = new BoundedMap<string, true>(MAX_HOSTS);
  /** Certificates for each host. */
  readonly #certificates = new BoundedMap<string, Promise<HostCertificates | undefined>>(MAX_HOSTS);

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** Maximum time without data from a server. */
  get stallTimeoutMs(): number {
    return this.#options.stallTimeoutMs;
  }

  /** Whether the host of a URL has ever responded; if not, its name or port is probably wrong. */
  isKnown(url: string): boolean {
    return this.#known.has(new URL(url).host);
  }

  /**
   * Shortest time so far from a request to a host to its response, in milliseconds. The first one
   * counts half, because it includes the time to connect.
   */
  latencyMs(host: string): number {
    return this.#known.get(host) ?? 0;
  }

  /** Sends a request and waits for the headers of the response, with a timeout. */
  async send(wanted: HttpRequest): Promise<HttpResponse> {
    wanted.signal?.throwIfAborted();
    const request = { ...wanted, tls: await this.#tls(wanted) };
    const route = await this.#route(request);
    const fetchClient = this.#isDirect(request, route)
      ? undefined
      : await this.#fetchClient(request, route);
    const started = performance.now();
    using unused = new DisposableStack();
    let response: HttpResponse;
    try {
      response = unused.use(await this.#receive(request, route, fetchClient));
    } catch (error) {
      if (error instanceof NetworkError && !wanted.signal?.aborted) {
        this.#log(request, started, { error: error.reason });
      }
      throw error;
    }
    // The callback may throw.
    this.#log(request, started, { status: response.status, ...rateLimitOf(response.headers) });
    unused.move();
    return response;
  }

  /** Closes all connections. */
  [Symbol.dispose](): void {
    for (const client of this.#fetchClients.values()) client.close();
    this.#fetchClients.clear();
    this.#pool[Symbol.dispose]();
  }

  /** Adds the certificates for the host. */
  async #tls({ url, tls, namedBy }: HttpRequest): Promise<Tls> {
    const { findCertificates: find } = this.#options;
    if (url.protocol !== "https:") return tls;
    const hosts = new Set([url.host, ...namedBy === undefined ? [] : [namedBy]]);
    const stored = find === undefined ? [] : [...hosts].map((host) => {
      return this.#certificates.getOrInsertComputed(host, () => {
        const search = find(host);
        // Search again after a failure.
        search.catch(() => this.#certificates.delete(host));
        return search;
      });
    });
    const found = await Promise.all([tls.ofFile?.(), ...stored]);
    const own = found.map((certificates) => certificates?.clientCertificate);
    return {
      ...tls,
      caCerts: [...tls.caCerts, ...found.flatMap((certificates) => certificates?.caCerts ?? [])],
      clientCertificate: tls.clientCertificate ?? own.find((pair) => pair !== undefined),
      skipped: found.flatMap((certificates) => certificates?.skipped ?? []),
    };
  }

  /** Finds the route to a server, and rejects unsafe addresses. */
  async #route(request: HttpRequest): Promise<Route> {
    const { url, task, signal } = request;
    if (isMetadataAddress(url.hostname)) throw metadataError(url, task);
    const proxy = findProxy(url, task);
    // A proxy resolves names itself.
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
    if (isRefused) throw metadataError(url, task);
    return { address: only };
  }

  /** Waits for the headers of a response. Ends the request if they do not arrive in time. */
  async #receive(
    request: HttpRequest,
    route: Route,
    fetchClient: Deno.HttpClient | undefined,
  ): Promise<HttpResponse> {
    const { url, method, task, signal, body: content = null } = request;
    const { stallTimeoutMs, userAgent } = this.#options;
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
      stallError: (isTrickle) => stallError(asked, stallTimeoutMs, isTrickle),
      onGiveUp: close,
    });
    const started = performance.now();
    const parts = { method, headers, body: content, signal: controller.signal, watchdog };
    const pending = this.#exchange(request, route, parts, fetchClient);
    try {
      const { status, headers, body: received } = await watchdog.wait(pending);
      // For a TLS tunnel, the proxy reports this before any response.
      if (status === 407 && route.proxy !== undefined) {
        throw networkError(new Error("proxy authentication required"), asked);
      }
      const elapsedMs = performance.now() - started;
      const latencyMs = Math.min(elapsedMs, this.#known.get(url.host) ?? elapsedMs / 2);
      this.#known.set(url.host, latencyMs);
      body = received;
      return new HttpResponse({ status, headers, latencyMs, body, close }, asked, watchdog);
    } catch (error) {
      watchdog[Symbol.dispose]();
      // The response may still arrive after the timeout. A connection of the pool is already
      // closed, which ends the request at once.
      const late = pending.then(({ body }) => body?.cancel()).catch(() => {});
      if (fetchClient === undefined) await late;
      signal?.throwIfAborted();
      // Deno's message about a missing permission names the flag.
      if (error instanceof Deno.errors.NotCapable) throw error;
      // The certificates of the caller cannot be used.
      if (error instanceof TypeError && isExplained(error)) throw error;
      throw error instanceof NetworkError ? error : networkError(error, asked);
    } finally {
      // A server may respond before it has read the whole body.
      if (isUploadSource(content)) content.cancel();
    }
  }

  /** Sends a request over a connection of the pool or, if there is a client for it, by `fetch`. */
  async #exchange(
    request: HttpRequest,
    route: Route,
    init: RequestParts,
    fetchClient: Deno.HttpClient | undefined,
  ): Promise<ConnectionResponse> {
    const { url, tls } = request;
    const isUpload = isUploadSource(init.body);
    if (this.#byNode.has(url.origin) || isUnverified(request)) {
      const { nodeExchange } = await import("./_node_exchange.ts");
      return await nodeExchange(request, route, init);
    }
    try {
      if (fetchClient === undefined) return await this.#sendDirectly(request, route, init);
      const { fetchExchange } = await import("./_fetch_exchange.ts");
      return await fetchExchange(url, { ...init, client: fetchClient });
    } catch (error) {
      // A partly read stream cannot be sent again.
      if (isUpload) throw error;
      const { nodeExchange, suitsNode } = await import("./_node_exchange.ts");
      if (!suitsNode(error, tls)) throw error;
      this.#byNode.set(url.origin, true);
      return await nodeExchange(request, route, init);
    }
  }

  async #sendDirectly(
    { url, task, tls: { caCerts }, dialTimeoutMs }: HttpRequest,
    { address }: Route,
    init: RequestParts,
  ): Promise<ConnectionResponse> {
    // The name may resolve to a different address than before.
    const onConnect = (connected: string) => {
      if (isMetadataAddress(connected)) throw metadataError(url, task);
    };
    const onHandshakeAbort = () => void this.#silent.set(url.origin, true);
    const where = { url, address, caCerts, onConnect, onHandshakeAbort, dialTimeoutMs };
    return await this.#pool.send({ ...init, ...where });
  }

  /** Whether a request needs no `fetch`. */
  #isDirect(request: HttpRequest, { proxy }: Route): boolean {
    const { url, tls: { clientCertificate } } = request;
    return proxy === undefined && clientCertificate === undefined && !isUnverified(request) &&
      url.username === "" && url.password === "" && !this.#silent.has(url.origin) &&
      // Without these permissions, only `fetch` knows whether the environment names a proxy.
      (isLoopback(url) || canSetProxyVariables());
  }

  async #fetchClient({ tls, url }: HttpRequest, route: Route): Promise<Deno.HttpClient> {
    const { clientKey, createHttpClient } = await import("./_fetch_exchange.ts");
    const key = clientKey(tls, url, route);
    return this.#fetchClients.getOrInsertComputed(key, () => createHttpClient(tls, url, route));
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

/** Returns whether a file turns off the verification of the server's certificate. */
function isUnverified({ url, tls }: HttpRequest): boolean {
  return url.protocol === "https:" && tls.unverified === url.host;
}

function metadataError(url: URL, task: RequestTask): NetworkError {
  const host = parseIp(url.hostname) === undefined
    ? `${url.host} resolves to an address`
    : `${url.host} is an address`;
  return new NetworkError(
    `${host} at which clouds serve credentials`,
    { ...task, url: url.origin, reason: "request" },
  );
}

/** Creates the headers of a request; errors do not show invalid values. */
function headersOf(values: Readonly<Record<string, string>>, task: RequestTask): Headers {
  let headers: Headers;
  try {
    headers = new Headers(values);
  } catch {
    throw explainedError(TypeError, {
      ...task,
      code: "invalid-argument",
      problem: "a header of the request, such as the credential, contains characters that HTTP " +
        "does not allow",
      advice: "Check it for line ends and non-ASCII characters",
    });
  }
  // The digest covers the stored bytes, so no content coding may change them.
  headers.set("accept-encoding", "identity");
  return headers;
}

function rateLimitOf(headers: Headers): Pick<RequestLog, "rateLimit"> {
  const [limit, remaining] = [headers.get("ratelimit-limit"), headers.get("ratelimit-remaining")];
  if (limit === null && remaining === null) return {};
  return { rateLimit: `${remaining ?? "?"} of ${limit ?? "?"}` };
}
