import { present } from "../../spec/json.ts";
import { type AuthorizedRequest, Authorizer } from "../auth/authorizer.ts";
import type { LoginAttempts } from "../auth/login_attempts.ts";
import { pullScope } from "../auth/scope.ts";
import type { Credential } from "../credentials.ts";
import type { RegistryError, RequestTask } from "../errors.ts";
import type { RegistryHost } from "../registry_rule.ts";
import { BoundedMap, MAX_HOSTS } from "../transport/bounded_map.ts";
import type { Http } from "../transport/http.ts";
import type { HttpMethod, RequestBody, Tls } from "../transport/http_request.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { protocolError } from "../transport/network_failure.ts";
import { followRedirects } from "../transport/redirect.ts";
import type { MissingContent, RequestTarget } from "../transport/registry_error.ts";
import { asksToWait, requestedPause, Retry, type RetryPolicy } from "../transport/retry.ts";
import { detectProtocol } from "./_detect_protocol.ts";
import type { Endpoint } from "./_endpoint.ts";
import type { HostLimiter } from "./_host_limiter.ts";
import { parseWarnings } from "./_warning_header.ts";

/** A request to a registry. */
export interface ApiRequest {
  readonly method: HttpMethod;
  /** Repository in the form of references; empty for requests to the registry. */
  readonly repository: string;
  /** Rest of the path, such as `tags/list`, with an optional query. */
  readonly path: string;
  /** Full address of an upload, as returned by the registry. */
  readonly url?: URL | undefined;
  /**
   * Scope of the token.
   *
   * By default, a pull from the repository.
   */
  readonly scope?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Requested content, for the error if it is missing. */
  readonly content?: MissingContent | undefined;
  /** Creates the body; called for each attempt. */
  readonly body?: (() => RequestBody | Promise<RequestBody>) | undefined;
  /** Accepted statuses besides 200. */
  readonly accept?: readonly number[] | undefined;
  /** Cache of the redirect target for the next request of the same content. */
  readonly redirectCache?: { location?: URL | undefined } | undefined;
  readonly task: RequestTask;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called when {@linkcode Registry.call} makes another attempt. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
}

/** Dependencies of a {@linkcode Registry}. */
export interface RegistrySettings {
  readonly endpoint: Endpoint;
  readonly http: Http;
  readonly tls: Tls;
  readonly policy: RetryPolicy;
  /** Returns the limiter of a host, or another one by its name. */
  readonly limiter: (name: string) => HostLimiter;
  /** Finds the credential for a repository. */
  readonly find: (
    request: AuthorizedRequest,
    onSkipped: (message: string) => void,
  ) => Promise<Credential | undefined>;
  /**
   * Whether to fall back to anonymous access if the registry rejects the credential.
   *
   * @default {true}
   */
  readonly allowAnonymous?: boolean | undefined;
}

/** Settings of a host that no file names. */
const NO_HOST: Pick<Partial<RegistryHost>, "headers" | "dialTimeoutMs"> = {};

/** A registry or mirror, with authentication, redirects, retries and rate limits. */
export class Registry {
  readonly #options: RegistrySettings;
  readonly #authorizers = new BoundedMap<string, Authorizer>(MAX_HOSTS);
  #base: URL | undefined;

  constructor(options: RegistrySettings) {
    this.#options = options;
  }

  get endpoint(): Endpoint {
    return this.#options.endpoint;
  }

  get policy(): RetryPolicy {
    return this.#options.policy;
  }

  /** Returns the name of a repository on this server. */
  fullName(repository: string): string {
    return this.endpoint.prefix + repository.slice(this.endpoint.drop);
  }

  /** Returns the address of a path in a repository. */
  url({ repository, path }: Pick<ApiRequest, "repository" | "path">): URL {
    const [first] = this.endpoint.bases;
    return new URL(this.#path({ repository, path }), this.#base ?? first);
  }

  /** Returns the attempts to authenticate for a scope. */
  attempts(scope: string): LoginAttempts {
    return this.#authorizer(this.url({ repository: "", path: "" })).attempts(scope);
  }

  /** Sends a request and reads the response, with retries of both. */
  async call<T>(
    request: ApiRequest,
    read: (response: HttpResponse) => T | Promise<T>,
  ): Promise<T> {
    const { signal, onWarning, onRetry } = request;
    const retry = new Retry(this.policy, { signal, onWarning, onRetry });
    for (;;) {
      try {
        using response = await this.sendOnce(request, retry.attempt);
        return await read(response);
      } catch (error) {
        await retry.after(error);
      }
    }
  }

  /** Sends a request once. The response holds a slot of the host's limiter. */
  async sendOnce(request: ApiRequest, attempt: number): Promise<HttpResponse> {
    const { signal, accept = [] } = request;
    const { registry } = this.endpoint;
    // The body of an upload may come from a download from the same host.
    const isUpload = request.body !== undefined;
    const limiter = this.#options.limiter(isUpload ? `uploads to ${registry}` : registry);
    const place = await limiter.acquire(signal);
    let response: HttpResponse | undefined;
    try {
      response = await this.#follow(request, attempt);
      const { status } = response;
      // The limit for requests without a body has been reduced already.
      if (isUpload && status === 429) limiter.throttled(0);
      // The same request is repeated once. After that, the caller may send another one, unless the
      // pause before it is too long.
      const mustWait = asksToWait(response) && (attempt === 1 || this.#isTooLong(response));
      const isAccepted = accept.includes(status) && !mustWait;
      if (status !== 200 && !isAccepted) {
        throw await this.error(request, response);
      }
      if (isAccepted) limiter.pause(this.#pauseOf(response));
      limiter.succeeded();
      response.hold(place);
      return response;
    } catch (error) {
      response?.[Symbol.dispose]();
      place[Symbol.dispose]();
      throw error;
    }
  }

  async #follow(request: ApiRequest, attempt: number): Promise<HttpResponse> {
    const { redirectCache } = request;
    const remembered = await this.#sendToCachedTarget(request, attempt);
    if (remembered !== undefined) return remembered;
    const first = request.url === undefined
      ? await this.#sendToBase(request, attempt)
      : await this.#send(request.url, request, attempt);
    // A 301, 302 or 303 may turn a write into a read, so it is not followed.
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (!isRead && first.status < 307) return first;
    return await followRedirects(first, this.endpoint.isPrivate, async (target) => {
      const response = await this.#send(target, request, attempt);
      if (redirectCache !== undefined && response.status < 300) redirectCache.location = target;
      return response;
    });
  }

  /** Sends the request to the cached redirect target; `undefined` if that has expired. */
  async #sendToCachedTarget(
    request: ApiRequest,
    attempt: number,
  ): Promise<HttpResponse | undefined> {
    const { redirectCache, accept = [] } = request;
    const target = redirectCache?.location;
    if (redirectCache === undefined || target === undefined) return undefined;
    let response: HttpResponse | undefined;
    try {
      response = await this.#send(target, request, attempt);
      if (response.status === 200 || accept.includes(response.status)) return response;
      // The rate limit applies to all addresses of the host.
      if (response.status === 429) return response;
    } catch (error) {
      redirectCache.location = undefined;
      throw error;
    }
    response[Symbol.dispose]();
    redirectCache.location = undefined;
    return undefined;
  }

  /** Finds the responding address with the first request. */
  async #sendToBase(request: ApiRequest, attempt: number): Promise<HttpResponse> {
    const send = (base: URL) => {
      return this.#send(new URL(this.#path(request), base), request, attempt);
    };
    if (this.#base !== undefined) return await send(this.#base);
    const { signal } = request;
    const timeoutMs = this.#options.http.stallTimeoutMs;
    return await detectProtocol(this.endpoint, {
      send,
      isKnown: () => this.#base !== undefined,
      speaksTls: async (base) => {
        const { speaksTls } = await import("./_speaks_tls.ts");
        return await speaksTls(base, { timeoutMs, signal });
      },
      requiresTls: (url) => protocolError({ url, task: request.task, attempt }),
    });
  }

  async #send(url: URL, request: ApiRequest, attempt: number): Promise<HttpResponse> {
    const { method, task, signal, onWarning } = request;
    const { http, tls, limiter } = this.#options;
    const name = this.fullName(request.repository);
    const scope = request.scope ?? pullScope(name);
    const authorized = { attempt, repository: name, scope, task, signal, onWarning };
    const response = await this.#authorizer(url).authorize(authorized, async (header) => {
      await limiter(url.host).ready(signal);
      // Only the registry may see the client certificate and the headers of a file.
      const isHome = this.#isHome(url);
      const { headers: own, dialTimeoutMs } = (isHome && this.endpoint.host) || NO_HOST;
      const response = await http.send({
        url,
        method,
        headers: { ...own, ...request.headers, ...present({ authorization: header }) },
        body: await request.body?.(),
        tls: isHome ? tls : { caCerts: tls.caCerts },
        task,
        attempt,
        dialTimeoutMs,
        server: this.#describe(url),
        signal,
      });
      this.#rememberBase(url, response.status);
      return response;
    });
    using unused = new DisposableStack();
    unused.use(response);
    if (response.status === 429) this.#throttle(response, url);
    // The callback may throw.
    this.#passOnWarnings(response, onWarning);
    unused.move();
    return response;
  }

  /** Describes the role of a server for errors. */
  #describe({ host, origin }: URL): string | undefined {
    const { registry, isMirror, bases } = this.endpoint;
    if (bases.some((base) => base.origin === origin)) {
      return isMirror ? `the mirror ${host}` : undefined;
    }
    return `the storage server ${host} of ${registry}`;
  }

  /** Remembers an address that responded, except with 400, which TLS servers send to plain HTTP. */
  #rememberBase({ origin, protocol }: URL, status: number): void {
    if (this.#base !== undefined || (status === 400 && protocol === "http:")) return;
    this.#base = this.endpoint.bases.find((base) => base.origin === origin);
  }

  /** Returns the pause that a response requests, in milliseconds; 0 if that is too long. */
  #pauseOf(response: HttpResponse): number {
    return this.#isTooLong(response) ? 0 : requestedPause(response.headers, Date.now()) ?? 0;
  }

  /** Whether a response requests a pause that is too long. */
  #isTooLong({ headers }: HttpResponse): boolean {
    return (requestedPause(headers, Date.now()) ?? 0) > this.policy.maxWaitMs;
  }

  #throttle(response: HttpResponse, url: URL): void {
    const pauseMs = this.#pauseOf(response);
    const { limiter } = this.#options;
    limiter(url.host).throttled(pauseMs);
    // The limit also covers redirect targets, but the pause of a target is not for the registry.
    if (url.host !== this.endpoint.registry) {
      limiter(this.endpoint.registry).throttled(this.#isHome(url) ? pauseMs : 0);
    }
  }

  /** Reports deprecation warnings of the registry: `Warning: 299 - "…"`, distribution-spec. */
  #passOnWarnings(
    response: HttpResponse,
    onWarning: ((message: string) => void) | undefined,
  ): void {
    if (onWarning === undefined || !this.#isHome(response.url)) return;
    for (const text of parseWarnings(response.headers.get("warning"))) {
      onWarning(`${this.endpoint.registry} warns: ${text.slice(0, 300)}`);
    }
  }

  /** Returns the authorizer for a URL; only the registry itself receives the credential. */
  #authorizer(url: URL): Authorizer {
    let authorizer = this.#authorizers.get(url.origin);
    if (authorizer === undefined) {
      const { http, tls, find, endpoint, allowAnonymous } = this.#options;
      const isHome = this.#isHome(url);
      authorizer = new Authorizer({
        http,
        clock: this.policy.clock,
        tls: isHome ? tls : { caCerts: tls.caCerts },
        registry: isHome ? endpoint.registry : url.host,
        url,
        isPlain: url.protocol === "http:",
        allowPrivate: endpoint.isPrivate,
        allowAnonymous,
        find: isHome ? find : undefined,
        isRedirectTarget: !isHome,
        ping: isHome ? (request) => this.#ping(url, request) : undefined,
      });
    }
    // Each use makes the entry new, so the map never drops that of the registry itself.
    this.#authorizers.set(url.origin, authorizer);
    return authorizer;
  }

  async #ping(url: URL, request: AuthorizedRequest): Promise<HttpResponse> {
    const { http, tls, limiter } = this.#options;
    const { task, attempt, signal } = request;
    const { headers, dialTimeoutMs } = this.endpoint.host ?? NO_HOST;
    await limiter(url.host).ready(signal);
    return await http.send({
      url: new URL(`${this.endpoint.root}/`, url),
      method: "GET",
      headers,
      dialTimeoutMs,
      tls,
      task,
      attempt,
      signal,
    });
  }

  #isHome(url: URL): boolean {
    const bases = this.#base === undefined ? this.endpoint.bases : [this.#base];
    return bases.some((base) => base.origin === url.origin);
  }

  #path({ repository, path }: Pick<ApiRequest, "repository" | "path">): string {
    const { root, namespace } = this.endpoint;
    const name = repository === "" ? "" : `${this.fullName(repository)}/`;
    const query = namespace === undefined
      ? ""
      : `${path.includes("?") ? "&" : "?"}ns=${encodeURIComponent(namespace)}`;
    return `${root}/${name}${path}${query}`;
  }

  /** Returns where the registry directed a request to; `undefined` if it answered itself. */
  targetOf(request: ApiRequest, { url }: HttpResponse): RequestTarget | undefined {
    if (!this.#isHome(url)) return "other-server";
    const { pathname, search } = request.url ?? this.url(request);
    return url.pathname === pathname && url.search === search ? undefined : "same-server";
  }

  /** Creates the error for a response that is not accepted. */
  async error(request: ApiRequest, response: HttpResponse): Promise<RegistryError> {
    const target = this.targetOf(request, response);
    const server = target === "other-server" ? response.url : this.#base ?? response.url;
    const scope = request.scope ?? pullScope(this.fullName(request.repository));
    const attempts = this.#authorizer(server).attempts(scope);
    const { registryError } = await import("../transport/registry_error.ts");
    return await registryError(response, {
      registry: this.endpoint.registry,
      isWrite: request.method !== "GET" && request.method !== "HEAD",
      authentication: attempts.toString(),
      isAuthenticated: attempts.isAuthenticated,
      isRefused: attempts.isRefused,
      content: request.content,
      target,
    });
  }
}
