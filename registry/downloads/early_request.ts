import { onAbort } from "../tasks/abortable.ts";
import { startTimer } from "../tasks/timer.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import type { RemoteBlobSource, SentRequest } from "./blob_stream.ts";

/** Time after which a response that nothing reads is dropped. */
const KEPT_MS = 10_000;

export interface EarlyRequestOptions {
  /** Number of bytes to request; all if absent. */
  readonly length?: number | undefined;
  /** Disposed of once a reader has taken over the response, or it is dropped. */
  readonly lock?: Disposable | undefined;
  /** Drops the response, unless a reader has taken it over. */
  readonly signal?: AbortSignal | undefined;
  /** Requests that nothing has read yet. */
  readonly unread: Set<EarlyRequest>;
}

/**
 * A request for the start of a blob that is sent before the blob is read. The first reader takes
 * over the response if it would send the same request.
 */
export class EarlyRequest implements SentRequest, Disposable {
  readonly #range: string | undefined;
  readonly #lock: Disposable | undefined;
  readonly #unread: Set<EarlyRequest>;
  readonly #controller = new AbortController();
  readonly #response: Promise<HttpResponse>;
  readonly #timer: Disposable;
  #aborting: Disposable | undefined;

  /** Sends the request. */
  constructor(source: RemoteBlobSource, { length, lock, signal, unread }: EarlyRequestOptions) {
    this.#lock = lock;
    this.#range = length === undefined ? undefined : `bytes=0-${length - 1}`;
    const headers: Record<string, string> = this.#range === undefined ? {} : { range: this.#range };
    this.#response = source.open(headers, 1, this.#controller.signal);
    // The reader reports an error.
    this.#response.catch(() => {});
    this.#unread = unread;
    unread.add(this);
    // The response holds a connection that other requests may wait for.
    const drop = () => this[Symbol.dispose]();
    this.#timer = startTimer(KEPT_MS, drop);
    this.#aborting = onAbort(signal, drop);
  }

  /**
   * Takes over the response if the request had the same headers; drops it otherwise.
   */
  take(
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> | undefined {
    if (!this.#unread.has(this)) return undefined;
    if (headers.range !== this.#range || headers["if-range"] !== undefined || signal.aborted) {
      this[Symbol.dispose]();
      return undefined;
    }
    this.#settle();
    const aborting = onAbort(signal, () => this.#controller.abort(signal.reason));
    this.#response.then(
      (response) => response.hold(aborting),
      () => aborting[Symbol.dispose](),
    );
    return this.#response;
  }

  /** Drops the response unless a reader has taken it over. */
  [Symbol.dispose](): void {
    if (!this.#unread.has(this)) return;
    this.#settle();
    this.#controller.abort();
    this.#response.then((response) => response[Symbol.dispose]()).catch(() => {});
  }

  #settle(): void {
    this.#unread.delete(this);
    this.#lock?.[Symbol.dispose]();
    this.#timer[Symbol.dispose]();
    this.#aborting?.[Symbol.dispose]();
  }
}
