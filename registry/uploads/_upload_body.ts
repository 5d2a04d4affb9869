import { DigestMismatchError } from "../../spec/errors.ts";
import type { OpenContent } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isUploadSource, type UploadSource } from "../http1/upload_source.ts";
import { onAbort } from "../tasks/abortable.ts";
import type { RequestBody } from "../transport/http_request.ts";

export interface UploadBodyOptions {
  /** Offset of the first byte. */
  readonly offset: number;
  /** Whether the bytes of an earlier attempt were wrong. */
  readonly again: boolean;
  /** Aborts the read. */
  readonly signal: AbortSignal | undefined;
  /** Called with the number of bytes read so far, including those before `offset`. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /** Called when the bytes cannot be read or their number is wrong. */
  readonly onFailure: (error: unknown) => void;
}

/** The bytes of a blob from an offset on, as a request body. */
export class UploadBody {
  readonly #descriptor: Descriptor;
  readonly #open: OpenContent;
  readonly #options: UploadBodyOptions;

  constructor(descriptor: Descriptor, open: OpenContent, options: UploadBodyOptions) {
    this.#descriptor = descriptor;
    this.#open = open;
    this.#options = options;
  }

  /** Requests all bytes, and returns them as a body that fails if their number is wrong. */
  async source(): Promise<UploadSource> {
    const { size } = this.#descriptor;
    const { offset: start, onBytes } = this.#options;
    const reader = (await this.#read()).getReader();
    // A stream sends its request with the first read.
    let first: ReturnType<typeof reader.read> | undefined = reader.read();
    first.catch(() => {});
    let offset = start;
    let isOver = false;
    const read = async () => {
      const next = first ?? reader.read();
      first = undefined;
      const { done, value } = await next;
      if (isOver) throw new Error("the body is no longer needed");
      offset += value?.length ?? 0;
      if (done && offset < size || offset > size) throw this.#mismatch(offset);
      if (!done) onBytes?.(offset);
      return value;
    };
    return {
      size: size - start,
      // Once the server has responded without reading all bytes, an error is not a failure.
      read: () => this.#noted(read, () => isOver),
      cancel: () => {
        if (isOver) return;
        isOver = true;
        reader.cancel().catch(() => {});
      },
    };
  }

  /** Reads the first `length` bytes into memory. */
  async chunk(length: number): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#noted(() => this.#fill(length));
  }

  async #fill(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const { offset, onBytes } = this.#options;
    const signal = this.#options.signal;
    const reader = (await this.#read()).getReader();
    const bytes = new Uint8Array(length);
    let filled = 0;
    // Not every stream ends when the signal is aborted.
    using _stop = onAbort(signal, () => void reader.cancel(signal?.reason).catch(() => {}));
    try {
      signal?.throwIfAborted();
      while (filled < length) {
        const { done, value } = await reader.read();
        signal?.throwIfAborted();
        if (done) throw this.#mismatch(offset + filled);
        const part = value.subarray(0, length - filled);
        bytes.set(part, filled);
        filled += part.length;
      }
      // Read to the end of the blob, where the source may detect wrong bytes.
      if (offset + filled === this.#descriptor.size) {
        const { done } = await reader.read();
        if (!done) throw this.#mismatch(offset + filled + 1);
      }
      onBytes?.(offset + filled);
      return bytes;
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  async #read(): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { offset, again, onRetry } = this.#options;
    return await this.#noted(() =>
      this.#open({
        offset,
        again,
        // Each chunk is sent or copied before the next one is read.
        reuseMemory: true,
        // The registry verifies the digest.
        raw: true,
        signal: this.#options.signal,
        onRetry: ({ error }) => onRetry?.(error),
      })
    );
  }

  async #noted<T>(work: () => Promise<T>, isOver: () => boolean = () => false): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // The body may no longer be needed.
      if (!isOver() && this.#options.signal?.aborted !== true) this.#options.onFailure(error);
      throw error;
    }
  }

  #mismatch(size: number): DigestMismatchError {
    const { digest, size: expectedSize } = this.#descriptor;
    return new DigestMismatchError({ expected: digest, expectedSize, size });
  }
}

/** The first body of an upload, which is requested from the source while the upload begins. */
export class FirstBody implements Disposable {
  #body: Promise<RequestBody> | undefined;
  #dropped = new AbortController();

  /** Requests the body, unless an earlier attempt has left one. The signal aborts the read. */
  open(request: (signal: AbortSignal) => Promise<RequestBody>): void {
    if (this.#body !== undefined) return;
    this.#dropped = new AbortController();
    this.#body = request(this.#dropped.signal);
    // A failure is reported when the body is used.
    this.#body.catch(() => {});
  }

  /** Returns the body, once, if it begins at `offset`. */
  take(offset: number): Promise<RequestBody> | undefined {
    const body = offset === 0 ? this.#body : undefined;
    if (body !== undefined) this.#body = undefined;
    return body;
  }

  /** Cancels the body unless it has been taken. */
  [Symbol.dispose](): void {
    const body = this.take(0);
    if (body === undefined) return;
    this.#dropped.abort();
    const cancel = (body: RequestBody) => {
      if (isUploadSource(body)) body.cancel();
    };
    body.then(cancel, () => {});
  }
}
