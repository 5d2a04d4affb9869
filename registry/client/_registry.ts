import type { Answer } from "../transport/answer.ts";
import { type AuthorizedRequest, Authorizer } from "../auth/authorizer.ts";
import type { Clock } from "../remote_client_options.ts";
import type { Endpoint } from "./_endpoint.ts";
import type { HostLimiter } from "../transport/host_limiter.ts";
import { firstAnswer } from "../transport/first_answer.ts";
import type { Http, HttpMethod, RequestBody } from "../transport/http.ts";
import type { Tls } from "../transport/http_client.ts";
import { followRedirects } from "../transport/redirect.ts";
import { type MissingContent, registryError } from "../transport/registry_error.ts";
import { parseRetryAfter, Retry, type RetryPolicy } from "../transport/retry.ts";
import { pullScope } from "../auth/scope.ts";
import { speaksTls } from "../transport/speaks_tls.ts";
import type { Credential } from "../credentials.ts";
import type { RegistryError } from "../errors.ts";

/** A request to a registry. */
export interface RegistryRequest {
  readonly method: HttpMethod;
  /** The repository, as the reference names it; empty for what belongs to none. */
  readonly repository: string;
  /** The rest of the path, such as `tags/list`, with a query or not. */
  readonly path: string;
  /** The whole address, where the registry has given one: that of an upload. */
  readonly url?: URL | undefined;
  /**
   * What a token is asked for.
   *
   * @default To pull from the repository.
   */
  readonly scope?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What is asked for, for the error if it is missing. */
  readonly content?: MissingContent | undefined;
  /** Makes the body, anew for each time that it is sent. */
  readonly body?: (() => RequestBody | Promise<RequestBody>) | undefined;
  /** Statuses beside 200 that are answers rather than errors. */
  readonly accept?: readonly number[] | undefined;
  /** Remembers where the registry redirects to, for the next request of the same content. */
  readonly memory?: { location?: URL | undefined } | undefined;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called when {@linkcode Registry.call} makes another attempt. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
}

/** What a {@linkcode Registry} is made of. */
export interface RegistryOptions {
  readonly endpoint: Endpoint;
  readonly http: Http;
  readonly tls: Tls;
  readonly policy: RetryPolicy;
  /** The limiter of a host. */
  readonly limiter: (host: string) => HostLimiter;
  /** The limiter of uploads to a host: an upload may have to wait for a download from there. */
  readonly uploadLimiter: (host: string) => HostLimiter;
  /** Finds the credential for a repository there. */
  readonly find: (
    request: AuthorizedRequest,
    onSkipped: (message: string) => void,
  ) => Promise<Credential | undefined>;
}

/** One registry, or one mirror of it: authentication, redirects, retries and manners. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #clock: Clock;
  readonly #authorizers = new Map<string, Authorizer>();
  #base: URL | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#clock = options.policy.clock;
  }

  get endpoint(): Endpoint {
    return this.#options.endpoint;
  }

  get policy(): RetryPolicy {
    return this.#options.policy;
  }

  /** The name by which this server knows a repository. */
  fullName(repository: string): string {
    return this.endpoint.prefix + repository;
  }

  /** The address of something in a repository. */
  url({ repository, path }: Pick<RegistryRequest, "repository" | "path">): URL {
    const [first] = this.endpoint.bases;
    return new URL(this.#path({ repository, path }), this.#base ?? first);
  }

  /** Makes a request and reads the answer, again and again until both succeed. */
  async call<T>(request: RegistryRequest, read: (answer: Answer) => Promise<T>): Promise<T> {
    const { signal, onWarning, onRetry } = request;
    const retry = new Retry(this.policy, { signal, onWarning, onRetry });
    for (;;) {
      try {
        using answer = await this.open(request, retry.attempt);
        return await read(answer);
      } catch (error) {
        await retry.after(error);
      }
    }
  }

  /** Makes a request once. The answer holds a place among those that the host allows. */
  async open(request: RegistryRequest, attempt: number): Promise<Answer> {
    const { signal, accept = [] } = request;
    const { limiter: downloads, uploadLimiter: uploads } = this.#options;
    const limiter = (request.body === undefined ? downloads : uploads)(this.endpoint.registry);
    const place = await limiter.acquire(signal);
    let answer: Answer | undefined;
    try {
      answer = await this.#follow(request, attempt);
      const { status } = answer;
      if (status !== 200 && !accept.includes(status)) {
        throw await this.#error(request, attempt, answer);
      }
      limiter.succeeded();
      answer.hold(place);
      return answer;
    } catch (error) {
      answer?.[Symbol.dispose]();
      place[Symbol.dispose]();
      throw error;
    }
  }

  async #follow(request: RegistryRequest, attempt: number): Promise<Answer> {
    const { task, memory } = request;
    const remembered = await this.#remembered(request, attempt);
    if (remembered !== undefined) return remembered;
    const first = request.url === undefined
      ? await this.#first(request, attempt)
      : await this.#send(request.url, request, attempt);
    first.redirected = !this.#isHome(first.url);
    const allowPrivate = this.endpoint.isPrivate;
    // After 301, 302 and 303, a client may turn a request that writes into one that reads.
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (!isRead && first.status < 307) return first;
    return await followRedirects(first, { task, allowPrivate }, async (target) => {
      const answer = await this.#redirected(target, request, attempt);
      if (memory !== undefined && answer.status < 300) memory.location = target;
      return answer;
    });
  }

  /** Asks where the registry has redirected to before. Such an address expires after a while. */
  async #remembered(request: RegistryRequest, attempt: number): Promise<Answer | undefined> {
    const { memory, accept = [] } = request;
    const target = memory?.location;
    if (memory === undefined || target === undefined) return undefined;
    let answer: Answer | undefined;
    try {
      answer = await this.#redirected(target, request, attempt);
      if (answer.status === 200 || accept.includes(answer.status)) return answer;
      // The host has too many requests, whichever address it is asked at.
      if (answer.status === 429) return answer;
    } catch (error) {
      memory.location = undefined;
      throw error;
    }
    answer[Symbol.dispose]();
    memory.location = undefined;
    return undefined;
  }

  async #redirected(target: URL, request: RegistryRequest, attempt: number): Promise<Answer> {
    const answer = await this.#send(target, request, attempt);
    answer.redirected = target.origin !== this.#base?.origin;
    return answer;
  }

  /** Finds out, with the first request, which of the addresses answers. */
  async #first(request: RegistryRequest, attempt: number): Promise<Answer> {
    const send = (base: URL) => {
      return this.#send(new URL(this.#path(request), base), request, attempt);
    };
    if (this.#base !== undefined) return await send(this.#base);
    const { signal } = request;
    const timeoutMs = this.#options.http.stallTimeoutMs;
    return await firstAnswer(this.endpoint.bases, {
      send,
      isKnown: () => this.#base !== undefined,
      speaksTls: (base) => speaksTls(base, { timeoutMs, signal }),
    });
  }

  async #send(url: URL, request: RegistryRequest, attempt: number): Promise<Answer> {
    const { method, task, signal, onWarning } = request;
    const { http, tls, limiter } = this.#options;
    const name = this.#repository(request);
    const scope = request.scope ?? pullScope(name);
    const authorized = { attempt, repository: name, scope, task, signal, onWarning };
    const answer = await this.#authorizer(url).authorize(authorized, async (header) => {
      await limiter(url.host).ready(signal);
      const headers = { ...request.headers, ...(header && { authorization: header }) };
      // A certificate of ours is nobody's business but the registry's.
      const shown = this.#isHome(url) ? tls : { caCerts: tls.caCerts };
      const body = await request.body?.();
      const server = this.#describe(url);
      const sent = { url, method, headers, body, tls: shown, task, attempt, server, signal };
      const answer = await http.send(sent);
      this.#settle(url, answer.status);
      return answer;
    });
    if (answer.status === 429) this.#throttle(answer, url);
    this.#passOnWarnings(answer, onWarning);
    return answer;
  }

  /** What a server is to this registry, for errors. */
  #describe({ host, origin }: URL): string | undefined {
    const { registry, isMirror, bases } = this.endpoint;
    if (bases.some((base) => base.origin === origin)) {
      return isMirror ? `the mirror ${host}` : undefined;
    }
    return `the storage server ${host} of ${registry}`;
  }

  /** Keeps the address that has answered, unless it has said 400: so does TLS to plain HTTP. */
  #settle({ origin, protocol }: URL, status: number): void {
    if (this.#base !== undefined || (status === 400 && protocol === "http:")) return;
    this.#base = this.endpoint.bases.find((base) => base.origin === origin);
  }

  #throttle(answer: Answer, url: URL): void {
    const asked = parseRetryAfter(answer.headers.get("retry-after"), this.#clock.now()) ?? 0;
    const pauseMs = asked > this.policy.maxWaitMs ? 0 : asked;
    const { limiter } = this.#options;
    limiter(url.host).throttled(pauseMs);
    // Its limit holds for what it redirects to as well, but a pause there is none here.
    if (url.host !== this.endpoint.registry) {
      limiter(this.endpoint.registry).throttled(this.#isHome(url) ? pauseMs : 0);
    }
  }

  /** Registries warn of what will stop working: `Warning: 299 - "…"`, distribution-spec. */
  #passOnWarnings(answer: Answer, onWarning: ((message: string) => void) | undefined): void {
    const header = answer.headers.get("warning");
    if (header === null || onWarning === undefined || !this.#isHome(answer.url)) return;
    for (const [, text = ""] of header.matchAll(/299 [^\s]+ "((?:[^"\\]|\\.)*)"/g)) {
      const shown = text.replace(/\\(.)/g, "$1").slice(0, 300);
      onWarning(`${this.endpoint.registry} warns: ${shown}`);
    }
  }

  /** Who answers for a URL. The credential is for the registry itself and for nobody else. */
  #authorizer(url: URL): Authorizer {
    let authorizer = this.#authorizers.get(url.origin);
    if (authorizer === undefined) {
      const { http, tls, find, endpoint } = this.#options;
      const isHome = this.#isHome(url);
      authorizer = new Authorizer({
        http,
        clock: this.#clock,
        tls: isHome ? tls : { caCerts: tls.caCerts },
        registry: isHome ? endpoint.registry : url.host,
        url,
        isPlain: url.protocol === "http:",
        allowPrivate: endpoint.isPrivate,
        ...(isHome ? { find, ping: (request) => this.#ping(url, request) } : {}),
      });
      this.#authorizers.set(url.origin, authorizer);
    }
    return authorizer;
  }

  async #ping(url: URL, request: AuthorizedRequest): Promise<Answer> {
    const { http, tls, limiter } = this.#options;
    const { task, attempt, signal } = request;
    await limiter(url.host).ready(signal);
    return await http.send({
      url: new URL("/v2/", url),
      method: "GET",
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

  #repository({ repository }: Pick<RegistryRequest, "repository">): string {
    return this.endpoint.prefix + repository;
  }

  #path({ repository, path }: Pick<RegistryRequest, "repository" | "path">): string {
    return repository === "" ? `/v2/${path}` : `/v2/${this.#repository({ repository })}/${path}`;
  }

  async #error(request: RegistryRequest, attempt: number, answer: Answer): Promise<RegistryError> {
    const home = this.#base ?? answer.url;
    return await registryError(answer, {
      task: request.task,
      registry: this.endpoint.registry,
      attempt,
      isWrite: request.method !== "GET" && request.method !== "HEAD",
      authentication: this.#authorizer(home).describe(
        request.scope ?? pullScope(this.#repository(request)),
      ),
      content: request.content,
      now: this.#clock.now(),
    });
  }
}
