import { DigestMismatchError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions } from "../../spec/image/image.ts";
import { verifiedRead } from "../../spec/image/verify_stream.ts";
import type { ApiRequest } from "../endpoints/registry.ts";
import { NetworkError, RegistryError } from "../errors.ts";
import { eitherSignal } from "../tasks/abortable.ts";
import { AttemptProgress } from "../transport/attempt_progress.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { redactUrl } from "../transport/redact.ts";
import { Retry, type RetryPolicy } from "../transport/retry.ts";
import { BlobTransfer } from "./_blob_transfer.ts";

/**
 * Maximum size of a chunk. Larger chunks save calls. This size still fits into the cache of a
 * processor until the chunk has been hashed and written.
 */
const CHUNK_BYTES = 262_144;
/** Statuses of servers that reject a request for a range instead of ignoring the range. */
const RANGE_REFUSALS = new Set([400, 405, 406, 412, 417, 501, 505]);

/** State shared by reads of one blob from one source. */
export interface BlobState {
  /** Strong `ETag` of the blob. */
  etag?: string | undefined;
  /** Redirect target, until it fails. */
  location?: URL | undefined;
  /**
   * Whether the source has answered a request for a range with something else. The next request is
   * then for the whole blob.
   */
  hasWrongRange?: boolean | undefined;
  /** Request that was sent before the first read of the blob. */
  early?: SentRequest | undefined;
}

/** A request that has been sent. */
export interface SentRequest {
  /** Returns its response if `headers` are those that were sent. `signal` aborts the response. */
  take(
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> | undefined;
}

/** A possible source of a blob. */
export interface RemoteBlobSource {
  readonly policy: RetryPolicy;
  readonly state: BlobState;
  /** Requests the blob once; 200, 206 and 416 are valid responses. */
  open(
    headers: Readonly<Record<string, string>>,
    attempt: number,
    signal: AbortSignal,
  ): Promise<HttpResponse>;
  /** Called when the source has failed and the next one is tried. */
  failed(error: unknown): void;
}

/** Options for {@linkcode openRemoteBlob}. */
export interface RemoteBlobOptions
  extends
    Pick<ApiRequest, "signal" | "onWarning">,
    Omit<BlobReadOptions, "offset" | "again" | "signal"> {
  readonly offset: number;
}

/**
 * Opens the bytes of a blob from `offset` on as one stream over any number of connections and
 * sources. Sends the first request when the stream is first read. Never yields more bytes than the
 * size in the descriptor. Verifies the digest of a whole blob unless the read is `raw`.
 */
export function openRemoteBlob(
  descriptor: Descriptor,
  sources: readonly RemoteBlobSource[],
  options: RemoteBlobOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = new BlobReader(descriptor, sources, options);
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const chunk = await reader.read();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: () => reader.cancel(),
  }, { highWaterMark: 0 });
  return verifiedRead(stream, descriptor, options, () => reader.source);
}

class BlobReader {
  readonly #descriptor: Descriptor;
  readonly #sources: RemoteBlobSource[];
  readonly #options: RemoteBlobOptions;
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal;
  #retry: Retry;
  #transfer: BlobTransfer | undefined;
  #isRangeUsable = true;
  #offset: number;
  /** End of the range, or of the blob if the source does not support ranges. */
  #end: number;
  #attemptOffset = 0;
  readonly #progress = new AttemptProgress();
  #url: URL | undefined;
  /** Last chunk, if its buffer may be reused or freed. */
  #last: Uint8Array<ArrayBuffer> | undefined;

  constructor(
    descriptor: Descriptor,
    sources: readonly RemoteBlobSource[],
    options: RemoteBlobOptions,
  ) {
    this.#descriptor = descriptor;
    this.#sources = [...sources];
    this.#options = options;
    this.#offset = options.offset;
    this.#end = Math.min(descriptor.size, options.offset + (options.length ?? Infinity));
    this.#signal = eitherSignal(options.signal, this.#controller.signal);
    this.#retry = this.#startRetry();
  }

  /** URL of the last bytes, for errors. */
  get source(): string | undefined {
    return this.#url && redactUrl(this.#url);
  }

  /** Reads the next bytes, or `undefined` at the end. */
  async read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    // At the end, one more read detects surplus bytes and frees the connection.
    while (this.#offset < this.#end || this.#transfer !== undefined) {
      try {
        const transfer = this.#transfer ??= await this.#open();
        const chunk = await transfer.read(this.#memory());
        if (chunk !== undefined) return this.#count(chunk, transfer.url);
        if (this.#offset < this.#end) {
          const { size } = this.#descriptor;
          throw transfer.cutError(`received ${this.#offset} of ${size} bytes`);
        }
        this.#close();
      } catch (error) {
        this.#close();
        this.#signal.throwIfAborted();
        // All bytes have arrived, so a failure at the end does not matter.
        if (this.#offset === this.#end && error instanceof NetworkError) return undefined;
        await this.#recover(error);
      }
    }
    return undefined;
  }

  cancel(): void {
    this.#controller.abort();
    this.#close();
  }

  /** Returns the buffer for the next chunk. */
  #memory(): Uint8Array<ArrayBuffer> {
    const buffer = this.#last?.buffer;
    this.#last = undefined;
    if (this.#options.freeMemory && buffer?.detached === false) buffer.transfer(0);
    const isFree = buffer !== undefined && !buffer.detached && buffer.byteLength === CHUNK_BYTES;
    return isFree ? new Uint8Array(buffer) : new Uint8Array(CHUNK_BYTES);
  }

  #count(chunk: Uint8Array<ArrayBuffer>, url: URL): Uint8Array<ArrayBuffer> | undefined {
    const { digest, size } = this.#descriptor;
    this.#url = url;
    if (this.#options.reuseMemory || this.#options.freeMemory) this.#last = chunk;
    this.#offset += chunk.length;
    this.#progress.moved();
    if (this.#offset <= this.#end) return chunk;
    if (this.#end < size) {
      // The server sends more than the requested range.
      const wanted = chunk.subarray(0, chunk.length - (this.#offset - this.#end));
      this.#offset = this.#end;
      this.#close();
      return wanted.length > 0 ? wanted : undefined;
    }
    throw new DigestMismatchError({
      expected: digest,
      expectedSize: size,
      size: this.#offset,
      source: redactUrl(url),
    });
  }

  async #open(): Promise<BlobTransfer> {
    this.#attemptOffset = this.#offset;
    this.#progress.begin();
    const isPart = this.#end < this.#descriptor.size;
    const { state } = this.#source;
    const isRangeUsable = this.#isRangeUsable && state.hasWrongRange !== true;
    state.hasWrongRange = false;
    if (isRangeUsable && (isPart || this.#offset > 0)) {
      const range = { range: `bytes=${this.#offset}-${isPart ? this.#end - 1 : ""}` };
      const { etag } = state;
      const headers = etag === undefined ? range : { ...range, "if-range": etag };
      const transfer = await this.#askForRange(headers);
      if (transfer instanceof BlobTransfer) return transfer;
      this.#isRangeUsable = false;
      state.hasWrongRange = true;
      // The reader may abort here, if it can use nothing but the range.
      this.#answered(false, 0);
      this.#signal.throwIfAborted();
    }
    const transfer = await this.#ask({});
    if (transfer instanceof BlobTransfer) return transfer;
    throw transfer;
  }

  /** Sends one request for a range, which a server may refuse although it has the blob. */
  async #askForRange(headers: Readonly<Record<string, string>>): Promise<BlobTransfer | Error> {
    try {
      return await this.#ask(headers);
    } catch (error) {
      if (error instanceof RegistryError && RANGE_REFUSALS.has(error.status)) return error;
      throw error;
    }
  }

  /** Sends one request; the response may not match it. */
  async #ask(headers: Readonly<Record<string, string>>): Promise<BlobTransfer | Error> {
    const { state } = this.#source;
    const response = await this.#source.open(headers, this.#retry.attempt, this.#signal);
    using unused = new DisposableStack();
    unused.use(response);
    this.#signal.throwIfAborted();
    const transfer = BlobTransfer.from(response, this.#descriptor, this.#offset);
    if (!(transfer instanceof BlobTransfer)) return transfer;
    state.etag = transfer.etag ?? state.etag;
    this.#answered(transfer.isPartial, response.latencyMs);
    unused.move();
    return transfer;
  }

  #answered(isPartial: boolean, latencyMs: number): void {
    const { length, offset } = this.#options;
    if (length === undefined && offset === 0) return;
    if (!isPartial) this.#end = this.#descriptor.size;
    this.#options.onAnswer?.({ isPartial, latencyMs });
  }

  /** Prepares another attempt, at this or the next source, or throws `error`. */
  async #recover(error: unknown): Promise<void> {
    const gained = this.#offset - this.#attemptOffset;
    if (this.#progress.isEnough(error, gained)) this.#retry.progress();
    try {
      await this.#retry.after(error, gained);
    } catch (final) {
      this.#signal.throwIfAborted();
      // The reader has already received surplus bytes, so a retry cannot help.
      const hasSurplus = this.#offset > this.#descriptor.size;
      if (hasSurplus || this.#sources.length === 1) throw final;
      this.#sources.shift()?.failed(final);
      this.#retry = this.#startRetry();
      this.#isRangeUsable = true;
    }
  }

  get #source(): RemoteBlobSource {
    const [source] = this.#sources;
    if (source === undefined) throw new RangeError("Cannot read a blob: there is no source");
    return source;
  }

  #startRetry(): Retry {
    return new Retry(this.#source.policy, {
      signal: this.#signal,
      onWarning: this.#options.onWarning,
      onRetry: (error, delayMs) => {
        this.#options.onRetry?.({ offset: this.#offset, error, delayMs });
      },
    });
  }

  #close(): void {
    this.#transfer?.[Symbol.dispose]();
    this.#transfer = undefined;
  }
}
