import type { Descriptor } from "../spec/descriptor.ts";
import { DigestMismatchError } from "../spec/errors.ts";
import type { Answer } from "./_answer.ts";
import { type ByteSource, contentCodings, decodeContent } from "./_content_coding.ts";
import { redactUrl } from "./_redact.ts";

/** One answer that brings a blob, or the rest of it. Its first byte is the one at `offset`. */
export class BlobTransfer implements Disposable {
  /** The `ETag`, if it names these very bytes, so that `If-Range` may rely on it. */
  readonly etag: string | undefined;
  readonly url: URL;
  readonly #answer: Answer;
  readonly #source: ByteSource;
  #skip: number;

  private constructor(answer: Answer, source: ByteSource, skip: number) {
    const etag = answer.headers.get("etag") ?? "";
    this.etag = /^"[^"]*"$/.test(etag) ? etag : undefined;
    this.url = answer.url;
    this.#answer = answer;
    this.#source = source;
    this.#skip = skip;
  }

  /**
   * Makes what it can of an answer.
   *
   * @returns The transfer, or `undefined` if the answer is for a range and not the one that was
   * asked for: then the blob is to be asked for as a whole.
   */
  static from(answer: Answer, descriptor: Descriptor, offset: number): BlobTransfer | undefined {
    const { size, digest } = descriptor;
    const codings = contentCodings(answer);
    if (answer.status !== 200) {
      const isRight = answer.status === 206 && codings.length === 0 &&
        isRange(answer.headers.get("content-range"), offset, size);
      return isRight ? new BlobTransfer(answer, answer, 0) : undefined;
    }
    const header = answer.headers.get("content-length");
    const length = header === null ? undefined : Number(header);
    // With the blob's own size, the coding is a remark on the blob, as some object stores make.
    if (codings.length > 0 && length !== size) {
      return new BlobTransfer(answer, decodeContent(answer), offset);
    }
    if (length !== undefined && length !== size) {
      throw new DigestMismatchError({
        expected: digest,
        expectedSize: size,
        size: length,
        source: redactUrl(answer.url),
      });
    }
    return new BlobTransfer(answer, answer, offset);
  }

  /** The next bytes, or `undefined` at the end; what `memory` views may become theirs. */
  async read(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (let free = memory;;) {
      const chunk = await this.#source.read(free);
      free = undefined;
      if (chunk === undefined || this.#skip === 0) return chunk;
      const rest = chunk.subarray(this.#skip);
      this.#skip -= chunk.length - rest.length;
      if (rest.length > 0) return rest;
    }
  }

  [Symbol.dispose](): void {
    this.#answer[Symbol.dispose]();
  }
}

/** Whether a `Content-Range` begins where the stream goes on, in a blob of the right size. */
function isRange(header: string | null, offset: number, size: number): boolean {
  const match = /^bytes ([0-9]+)-[0-9]+\/([0-9]+|\*)$/.exec(header?.trim() ?? "");
  if (match === null || Number(match[1]) !== offset) return false;
  return match[2] === "*" || Number(match[2]) === size;
}
