import type { Descriptor } from "../../spec/descriptor.ts";
import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import { RegistryError } from "../errors.ts";
import type { Answer } from "./answer.ts";
import { type ByteSource, canDecode, contentCodings, decodeContent } from "./content_coding.ts";
import { cutError } from "./network_failure.ts";
import { isPage, pageError } from "./page.ts";
import { redactUrl } from "./redact.ts";

/** What a `LimitError` says of a body that is too large. */
export interface BodyLimit {
  /** What is limited, such as `manifest bytes`. */
  readonly limit: string;
  /** The option that raises it. */
  readonly option?: string;
}

/** Reads a whole body of at most `maxBytes`, and undoes its content codings. */
export async function readBoundedBody(
  answer: Answer,
  maxBytes: number,
  limit: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  return await readWithin(answer, decodeContent(answer), maxBytes, limit);
}

/** How large a document may be. */
export interface DocumentLimit extends BodyLimit {
  readonly maxBytes: number;
}

/** A document, as far as it is known before it is read. */
export interface ExpectedDocument {
  readonly digest?: Descriptor["digest"] | undefined;
  readonly size?: number | undefined;
}

/**
 * Reads a document of at most `maxBytes`. One that has a digest is verified as it comes, and only if
 * it is not that, without its content codings: registries and storage services name codings that do
 * not apply, or that nobody knows.
 *
 * @throws {DigestMismatchError} If the bytes are not those of the digest.
 * @throws {NetworkError} If the connection ended before all of them came.
 */
export async function readDocument(
  answer: Answer,
  expected: ExpectedDocument,
  options: DocumentLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes } = options;
  const { task, attempt } = answer.request;
  const bytes = await readWithin(answer, answer, maxBytes, options);
  const codings = contentCodings(answer);
  const { digest, size } = expected;
  if (digest === undefined && isPage(answer, bytes.length)) throw pageError(answer, task);
  if (digest === undefined) {
    return codings.length === 0 ? bytes : await decode(answer, bytes, options);
  }
  const isShort = size !== undefined && bytes.length < size;
  // Without a length, a connection that breaks looks like the end of the document.
  if (isShort && codings.length === 0 && !answer.headers.has("content-length")) {
    throw cutError(answer.url, task, attempt, `the bytes ended at ${bytes.length} of ${size}`);
  }
  const source = redactUrl(answer.url);
  const expectation = size === undefined ? { digest } : { digest, size };
  try {
    await verifyBytes(bytes, expectation, source);
    return bytes;
  } catch (error) {
    if (!(error instanceof DigestMismatchError)) throw error;
    const decoded = codings.length === 0 ? bytes : await decode(answer, bytes, options);
    // A page in place of a document is no attack, and may be gone the next time.
    if (isPage(answer, decoded.length)) throw pageError(answer, task);
    if (decoded === bytes) throw error;
    await verifyBytes(decoded, expectation, source);
    return decoded;
  }
}

/** Undoes the codings of a body that was read, or returns it as it is if that is not possible. */
async function decode(
  answer: Answer,
  bytes: Uint8Array<ArrayBuffer>,
  options: DocumentLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!canDecode(contentCodings(answer))) return bytes;
  const chunks = [bytes];
  const body: ByteSource = { read: () => Promise.resolve(chunks.shift()) };
  try {
    return await readWithin(answer, decodeContent(answer, body), options.maxBytes, options);
  } catch (error) {
    // The body is not what its header says.
    if (error instanceof RegistryError) return bytes;
    throw error;
  }
}

async function readWithin(
  answer: Answer,
  source: ByteSource,
  maxBytes: number,
  { limit, option }: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const url = redactUrl(answer.url);
  const declared = Number(answer.headers.get("content-length") ?? 0);
  if (declared > maxBytes) throw new LimitError(limit, maxBytes, declared, url, option);
  const { bytes, isWhole } = await readUpTo(source, maxBytes);
  if (!isWhole) throw new LimitError(limit, maxBytes, maxBytes + 1, url, option);
  return bytes;
}

/** Memory for a body to begin with, and for a chunk of it: most documents fit into it. */
const FIRST_BYTES = 16_384;

/**
 * Reads at most `maxBytes` and says whether that was all. Chunks are copied, and come in the same
 * memory: a registry can send a byte at a time.
 */
export async function readUpTo(
  source: ByteSource,
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
    // Who took the memory has given it back under the chunk.
    if (room.buffer.detached) room = new Uint8Array(chunk.buffer);
  }
}
