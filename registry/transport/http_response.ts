import type { RegistryErrorFields } from "../error_fields.ts";
import { RegistryError } from "../errors.ts";
import type { BodyReader } from "../http1/body_reader.ts";
import type { Watchdog } from "./_watchdog.ts";
import { type FailedRequest, networkError } from "./network_failure.ts";
import { redactUrl } from "./redact.ts";

/** Matches the paths of pages that registries redirect to instead of answering with 401. */
const LOGIN_PAGE = /(?:^|[/_.-])(?:log[_-]?in|sign[_-]?in|oauth2?|sso|saml2?)(?:$|[/_.-])/i;
/** Maximum size of a chunk if the reader provides no buffer. */
const CHUNK_BYTES = 65_536;

/** A response of a client: the head, and a body to read. */
export interface HttpResponseParts {
  readonly status: number;
  readonly headers: Headers;
  /** Shortest time so far from a request to this host to its response, in milliseconds. */
  readonly latencyMs: number;
  /** Body, if any. */
  readonly body: BodyReader | undefined;
  /** Closes the connection. */
  readonly close: () => void;
}

/**
 * An HTTP response whose body may still be arriving. Reading fails with a `NetworkError` when the
 * connection breaks or stalls, and with the signal's reason when the caller aborts. Disposing of it
 * closes the connection, unless the body was read to its end.
 */
export class HttpResponse implements Disposable {
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  /** Shortest time so far from a request to this host to its response, in milliseconds. */
  readonly latencyMs: number;
  /** Request, for errors. */
  readonly request: FailedRequest;
  readonly #parts: HttpResponseParts;
  readonly #watchdog: Watchdog;
  readonly #held: Disposable[] = [];
  #isDone = false;

  /** Takes ownership of `watchdog`, and calls `close` unless the body is read to its end. */
  constructor(parts: HttpResponseParts, request: FailedRequest, watchdog: Watchdog) {
    this.url = request.url;
    // A proxy that changes responses returns 203 instead. What it returns is verified as well.
    this.status = parts.status === 203 ? 200 : parts.status;
    this.headers = parts.headers;
    this.latencyMs = parts.latencyMs;
    this.request = request;
    this.#parts = parts;
    this.#watchdog = watchdog;
    if (parts.body === undefined) this.#end();
  }

  /** Media type of the body, without parameters. */
  get mediaType(): string {
    const [type = ""] = (this.headers.get("content-type") ?? "").split(";");
    return type.trim().toLowerCase();
  }

  /**
   * Whether a body of `size` bytes is empty or a web page, such as gateways and login portals send
   * with status 200.
   */
  isWebPage(size: number | undefined): boolean {
    return size === 0 || this.mediaType === "text/html";
  }

  /** Creates the error for a response that cannot be used. */
  error(
    problem: string,
    fields: Partial<RegistryErrorFields> = {},
    options?: ErrorOptions,
  ): RegistryError {
    const { request: { task }, status } = this;
    const url = redactUrl(this.url);
    return new RegistryError(problem, { ...task, status, url, ...fields }, options);
  }

  /** Creates the error for a web page instead of the expected content; only a login page is final. */
  webPageError(): RegistryError {
    const { pathname } = this.url;
    // In an address of the API, such words are part of the name of a repository.
    const isLogin = LOGIN_PAGE.test(pathname) && !pathname.includes("/v2/");
    if (this.mediaType === "text/html" && isLogin) {
      const advice = "Log in to the registry, or check its name";
      return this.error(`${this.url.host} answered with a login page`, { advice });
    }
    const problem = `${this.url.host} answered with a web page or an empty body`;
    const advice = "Check the name, and whether a proxy or a portal answers in its place";
    return this.error(problem, { retryable: true, advice });
  }

  /** Disposes of `resource` together with this response. */
  hold(resource: Disposable): void {
    this.#held.push(resource);
  }

  /** Reads the next bytes, or `undefined` at the end; may take over the buffer of `memory`. */
  async read(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { body } = this.#parts;
    if (body === undefined || this.#isDone) return undefined;
    try {
      const started = performance.now();
      const { done, value } = await this.#watchdog.wait(
        body.read(memory ?? new Uint8Array(CHUNK_BYTES)),
      );
      if (!done) {
        this.#watchdog.received(value.length, performance.now() - started);
        return value;
      }
      this.#end();
      return undefined;
    } catch (error) {
      if (this.#watchdog.hasGivenUp) throw error;
      this.#watchdog[Symbol.dispose]();
      throw networkError(error, this.request);
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isDone) {
      this.#end();
      this.#parts.close();
    }
    for (const resource of this.#held.splice(0)) resource[Symbol.dispose]();
  }

  #end(): void {
    this.#isDone = true;
    this.#watchdog[Symbol.dispose]();
  }
}
