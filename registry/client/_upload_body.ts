import type { OpenContent } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { BlobReadOptions } from "../../spec/image/image.ts";

/** Options for {@linkcode UploadBody}. */
export interface UploadBodyOptions {
  /** Offset of the first byte. */
  readonly offset: number;
  /** Whether the previous bytes were wrong. */
  readonly again: boolean;
  readonly signal?: AbortSignal | undefined;
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

  /** Returns all bytes as a stream, which fails if their number is wrong. */
  async stream(): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { size } = this.#descriptor;
    const { onBytes } = this.#options;
    // The system keeps the bytes that it has not sent.
    const reader = (await this.#read({ freeMemory: true })).getReader();
    let { offset } = this.#options;
    let isCancelled = false;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
      const { done, value } = await reader.read();
      if (isCancelled) return;
      offset += value?.length ?? 0;
      if (done && offset < size || offset > size) throw this.#mismatch(offset);
      if (done) return controller.close();
      onBytes?.(offset);
      controller.enqueue(value);
    };
    return new ReadableStream({
      // The source does not fail if the server responds before it has all bytes.
      pull: (controller) => this.#noted(() => pull(controller), () => isCancelled),
      cancel: (reason) => {
        isCancelled = true;
        return reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  /** Reads the first `length` bytes into memory. */
  async chunk(length: number): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#noted(() => this.#fill(length));
  }

  async #fill(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const { offset, onBytes } = this.#options;
    const reader = (await this.#read({ reuseMemory: true })).getReader();
    const bytes = new Uint8Array(length);
    let filled = 0;
    try {
      while (filled < length) {
        const { done, value } = await reader.read();
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

  async #read(
    memory: Pick<BlobReadOptions, "freeMemory" | "reuseMemory">,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { offset, again, signal, onRetry } = this.#options;
    return await this.#noted(() =>
      this.#open({
        offset,
        again,
        ...memory,
        // The registry verifies the digest.
        raw: true,
        signal,
        onRetry: ({ error }) => onRetry?.(error),
      })
    );
  }

  async #noted<T>(work: () => Promise<T>, isOver: () => boolean = () => false): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isOver()) this.#options.onFailure(error);
      throw error;
    }
  }

  #mismatch(size: number): DigestMismatchError {
    const { digest, size: expectedSize } = this.#descriptor;
    return new DigestMismatchError({ expected: digest, expectedSize, size });
  }
}
