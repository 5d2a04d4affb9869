import { DigestMismatchError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { NetworkError, RegistryError } from "../errors.ts";
import {
  type BodySource,
  canDecode,
  contentCodings,
  decodeContent,
} from "../transport/content_coding.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { cutError } from "../transport/network_failure.ts";
import { redactUrl } from "../transport/redact.ts";

/** A response with a blob, or the rest of it from `offset` on. */
export class BlobTransfer implements Disposable {
  /** Strong `ETag`, for `If-Range`. */
  readonly etag: string | undefined;
  readonly url: URL;
  /** Whether the response has the requested range of the blob. */
  readonly isPartial: boolean;
  readonly #response: HttpResponse;
  readonly #source: BodySource;
  #skip: number;

  private constructor(response: HttpResponse, source: BodySource, skip: number, isPartial = false) {
    const etag = response.headers.get("etag") ?? "";
    this.etag = /^"[^"]*"$/.test(etag) ? etag : undefined;
    this.url = response.url;
    this.isPartial = isPartial;
    this.#response = response;
    this.#source = source;
    this.#skip = skip;
  }

  /**
   * Interprets a response.
   *
   * @param offset Offset of the first requested byte.
   * @returns The transfer, or the error if the response does not contain the blob.
   */
  static from(
    response: HttpResponse,
    { digest, size }: Descriptor,
    offset: number,
  ): BlobTransfer | RegistryError | DigestMismatchError {
    const { status, url, headers } = response;
    const codings = contentCodings(response);
    const range = headers.get("content-range");
    const header = headers.get("content-length");
    const length = header === null ? undefined : Number(header);
    // A response without a range is the whole blob if its length matches.
    const isWhole = status === 200 || (status === 206 && range === null && length === size);
    if (!isWhole) {
      const isRange = status === 206 && codings.length === 0;
      const [start, end] = isRange ? rangeOf(range, size) : NO_RANGE;
      // Some servers send more than the requested range.
      const isExact = length === undefined || length === end - start + 1;
      if (start <= offset && offset <= end && isExact) {
        return new BlobTransfer(response, response, offset - start, true);
      }
      const state = range === null ? "no range" : `the range "${range}"`;
      return response.error(`${url.host} answered ${status} with ${state} of ${size} bytes`);
    }
    // If the length is the size of the blob, the coding only describes it, as in some object stores.
    if (length === size) return new BlobTransfer(response, response, offset);
    // An unknown coding is also just a description (aws-chunked).
    if (codings.length > 0 && canDecode(codings)) {
      return new BlobTransfer(response, decodeContent(response), offset);
    }
    if (response.isWebPage(length)) return response.webPageError();
    if (length === undefined) return new BlobTransfer(response, response, offset);
    const source = redactUrl(url);
    return new DigestMismatchError({ expected: digest, expectedSize: size, size: length, source });
  }

  /** Reads the next bytes, or `undefined` at the end; may take over the buffer of `memory`. */
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

  /** Creates the error for a transfer that has ended early. */
  cutError(state: string): NetworkError {
    return cutError(this.#response.request, state);
  }

  [Symbol.dispose](): void {
    this.#response[Symbol.dispose]();
  }
}

const NO_RANGE = [NaN, NaN] as const;

/** Returns the first and the last offset of a `Content-Range`, unless it is that of another size. */
function rangeOf(header: string | null, size: number): readonly [start: number, end: number] {
  const match = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+|\*)$/.exec(header?.trim() ?? "");
  const isOfBlob = match !== null && (match[3] === "*" || Number(match[3]) === size);
  return isOfBlob ? [Number(match[1]), Number(match[2])] : NO_RANGE;
}
