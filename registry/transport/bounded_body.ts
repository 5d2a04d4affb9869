import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import { RegistryError } from "../errors.ts";
import { type BodySource, canDecode, contentCodings, decodeContent } from "./content_coding.ts";
import type { HttpResponse } from "./http_response.ts";
import { cutError } from "./network_failure.ts";
import { redactUrl } from "./redact.ts";

/** Texts of the `LimitError` for a body that is too large. */
export interface BodyLimit {
  /** Limited quantity, such as `manifest bytes`. */
  readonly limit: string;
  /** Option that raises the limit. */
  readonly option?: string;
}

/** Reads a whole body of at most `maxBytes`, and decodes its content codings. */
export async function readBoundedBody(
  response: HttpResponse,
  maxBytes: number,
  limit: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  return await readWithin(response, decodeContent(response), maxBytes, limit);
}

/** Size limits of a document. */
export interface DocumentLimit extends BodyLimit {
  readonly maxBytes: number;
}

/**
 * Reads a document of at most `maxBytes`. Verifies the digest, if known, against the received
 * bytes, and after a mismatch against the decoded ones: some registries and storage services
 * declare content codings that do not apply or do not exist.
 *
 * @throws {DigestMismatchError} If the bytes do not match the digest.
 * @throws {NetworkError} If the connection ended early.
 */
export async function readDocumentBody(
  response: HttpResponse,
  { digest, size }: {
    readonly digest?: Descriptor["digest"] | undefined;
    readonly size?: number | undefined;
  },
  options: DocumentLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes } = options;
  const bytes = await readWithin(response, response, maxBytes, options);
  const codings = contentCodings(response);
  if (digest === undefined && response.isWebPage(bytes.length)) throw response.webPageError();
  if (digest === undefined) {
    return codings.length === 0 ? bytes : await decode(response, bytes, options);
  }
  const isShort = size !== undefined && bytes.length < size;
  // Without a length, a broken connection looks like the end of the document.
  if (isShort && codings.length === 0 && !response.headers.has("content-length")) {
    throw cutError(response.request, `received ${bytes.length} of ${size} bytes`);
  }
  const source = redactUrl(response.url);
  const expectation = size === undefined ? { digest } : { digest, size };
  try {
    await verifyBytes(bytes, expectation, source);
    return bytes;
  } catch (error) {
    if (!(error instanceof DigestMismatchError)) throw error;
    const decoded = codings.length === 0 ? bytes : await decode(response, bytes, options);
    // A web page instead of a document is not an attack, and may be temporary.
    if (response.isWebPage(decoded.length)) throw response.webPageError();
    if (decoded === bytes) throw error;
    await verifyBytes(decoded, expectation, source);
    return decoded;
  }
}

/** Decodes the content codings of a body, or returns it unchanged if decoding fails. */
async function decode(
  response: HttpResponse,
  bytes: Uint8Array<ArrayBuffer>,
  options: DocumentLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!canDecode(contentCodings(response))) return bytes;
  try {
    return await readWithin(
      response,
      decodeContent(response, sourceOf(bytes)),
      options.maxBytes,
      options,
    );
  } catch (error) {
    // The body does not match its header.
    if (error instanceof RegistryError) return bytes;
    throw error;
  }
}

/** Returns a source of bytes that have been read. */
export function sourceOf(bytes: Uint8Array<ArrayBuffer>): BodySource {
  const chunks = [bytes];
  return { read: () => Promise.resolve(chunks.shift()) };
}

async function readWithin(
  response: HttpResponse,
  source: BodySource,
  maxBytes: number,
  { limit, option }: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const url = redactUrl(response.url);
  const declared = Number(response.headers.get("content-length") ?? 0);
  if (declared > maxBytes) throw new LimitError(limit, maxBytes, declared, url, option);
  const { bytes, isWhole } = await readUpTo(source, maxBytes);
  if (!isWhole) throw new LimitError(limit, maxBytes, maxBytes + 1, url, option);
  return bytes;
}

/** Initial size of the buffer for a body, and size of a chunk: fits most documents. */
const FIRST_BYTES = 16_384;

/**
 * Reads at most `maxBytes`, and returns whether that was all. Copies chunks and reuses their
 * buffer, because a registry may send single bytes.
 */
export async function readUpTo(
  source: BodySource,
  maxBytes: number,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly isWhole: boolean }> {
  let memory = new Uint8Array(Math.min(FIRST_BYTES, maxBytes));
  let size = 0;
  let room = new Uint8Array(FIRST_BYTES);
  for (;;) {
    const chunk = await source.read(room);
    if (chunk === undefined) return { bytes: memory.slice(0, size), isWhole: true };
    const kept = chunk.subarray(0, maxBytes - size);
    if (size + kept.length > memory.length) {
      const larger = new Uint8Array(
        Math.min(maxBytes, Math.max(memory.length * 2, size + kept.length)),
      );
      larger.set(memory.subarray(0, size));
      memory = larger;
    }
    memory.set(kept, size);
    size += kept.length;
    if (kept.length < chunk.length) return { bytes: memory.slice(0, size), isWhole: false };
    // The reader took over the buffer, and returned it with the chunk.
    if (room.buffer.detached) room = new Uint8Array(chunk.buffer);
  }
}
