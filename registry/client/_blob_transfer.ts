import type { Descriptor } from "../../spec/descriptor.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { Answer } from "../transport/answer.ts";
import {
  type ByteSource,
  canDecode,
  contentCodings,
  decodeContent,
} from "../transport/content_coding.ts";
import { isPage, pageError } from "../transport/page.ts";
import { redactUrl } from "../transport/redact.ts";
import { RegistryError } from "../errors.ts";

/** Options of {@linkcode BlobTransfer.from}. */
export interface TransferOptions {
  /** The first byte that is wanted. */
  readonly offset: number;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
}

/** One answer that brings a blob, or the rest of it. Its first byte is the one at `offset`. */
export class BlobTransfer implements Disposable {
  /** The `ETag`, if it names these very bytes, so that `If-Range` may rely on it. */
  readonly etag: string | undefined;
  readonly url: URL;
  /** Whether the answer is a part of the blob, as asked for. */
  readonly isPartial: boolean;
  readonly #answer: Answer;
  readonly #source: ByteSource;
  #skip: number;

  private constructor(answer: Answer, source: ByteSource, skip: number, isPartial = false) {
    const etag = answer.headers.get("etag") ?? "";
    this.etag = /^"[^"]*"$/.test(etag) ? etag : undefined;
    this.url = answer.url;
    this.isPartial = isPartial;
    this.#answer = answer;
    this.#source = source;
    this.#skip = skip;
  }

  /**
   * Makes what it can of an answer.
   *
   * @returns The transfer, or the error that says why the answer does not bring the blob.
   */
  static from(
    answer: Answer,
    { digest, size }: Descriptor,
    { offset, task }: TransferOptions,
  ): BlobTransfer | RegistryError | DigestMismatchError {
    const { status, url, headers } = answer;
    const codings = contentCodings(answer);
    const range = headers.get("content-range");
    const header = headers.get("content-length");
    const length = header === null ? undefined : Number(header);
    // A part of which it is not said which one is the whole, if it is as long.
    const isWhole = status === 200 || (status === 206 && range === null && length === size);
    if (!isWhole) {
      const start = status === 206 && codings.length === 0 ? rangeStart(range, size) : NaN;
      // There are servers that send more than they were asked for.
      if (start <= offset) return new BlobTransfer(answer, answer, offset - start, true);
      const state = range === null ? "no range" : `the range "${range}"`;
      return new RegistryError(
        `Cannot ${task}: ${url.host} answered ${status} with ${state} of ${size} bytes`,
        { status, url: redactUrl(url) },
      );
    }
    // With the blob's own size, the coding is a remark on the blob, as some object stores make.
    if (length === size) return new BlobTransfer(answer, answer, offset);
    // A coding that nobody knows is a remark, too (aws-chunked).
    if (codings.length > 0 && canDecode(codings)) {
      return new BlobTransfer(answer, decodeContent(answer), offset);
    }
    if (isPage(answer, length)) return pageError(answer, task);
    if (length === undefined) return new BlobTransfer(answer, answer, offset);
    const source = redactUrl(url);
    return new DigestMismatchError({ expected: digest, expectedSize: size, size: length, source });
  }

  /** The next bytes, or `undefined` at the end; what `memory` views may become theirs. */
  async read(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (let free = memory;;) {
      const chunk = await this.#source.read(free);
      if (chunk === undefined || this.#skip === 0) return chunk;
      const rest = chunk.subarray(this.#skip);
      this.#skip -= chunk.length - rest.length;
      if (rest.length > 0) return rest;
      free = new Uint8Array(chunk.buffer);
    }
  }

  [Symbol.dispose](): void {
    this.#answer[Symbol.dispose]();
  }
}

/** Where the part of a blob begins that a `Content-Range` names; `NaN` if it is not one of it. */
function rangeStart(header: string | null, size: number): number {
  const match = /^bytes ([0-9]+)-[0-9]+\/([0-9]+|\*)$/.exec(header?.trim() ?? "");
  const isOfBlob = match !== null && (match[2] === "*" || Number(match[2]) === size);
  return isOfBlob ? Number(match[1]) : NaN;
}
