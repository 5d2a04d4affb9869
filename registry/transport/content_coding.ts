import type { Transform } from "node:stream";
import type { RegistryError } from "../errors.ts";
import type { HttpResponse } from "./http_response.ts";
import { redactUrl } from "./redact.ts";

/** A source of bytes in chunks. */
export interface BodySource {
  /** Reads the next bytes, or `undefined` at the end; may take over the buffer of `memory`. */
  read(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

type Zlib = typeof import("node:zlib");

/** Base-2 logarithm of the largest window that the coding `zstd` allows (RFC 9659). */
const ZSTD_WINDOW_LOG = 23;

/** Creates the decoder for content with the given first byte. */
type CreateDecoder = (zlib: Zlib, first: number) => Transform;

const DECODERS = new Map<string, CreateDecoder>([
  ["gzip", (zlib) => zlib.createGunzip()],
  ["x-gzip", (zlib) => zlib.createGunzip()],
  // Some servers omit the header of zlib, whose low bits are the method: 8.
  ["deflate", (zlib, first) => (first & 15) === 8 ? zlib.createInflate() : zlib.createInflateRaw()],
  ["br", (zlib) => zlib.createBrotliDecompress()],
  ["zstd", (zlib) => {
    const params = { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG };
    return zlib.createZstdDecompress({ params });
  }],
]);

/**
 * Maximum number of codings to decode: each of the thousands that fit into a header would need a
 * decoder, and could multiply the size of the body by a thousand.
 */
const MAX_CODINGS = 3;

/** Returns the content codings of a response that change its bytes, in the order of encoding. */
export function contentCodings(response: HttpResponse): readonly string[] {
  const header = response.headers.get("content-encoding") ?? "";
  return header.split(",").map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
}

/** Returns whether all codings can be decoded. */
export function canDecode(codings: readonly string[]): boolean {
  return codings.length <= MAX_CODINGS && codings.every((coding) => DECODERS.has(coding));
}

/**
 * Decodes the content codings of a response, which some registries apply even though the request
 * forbids them (quay/quay#1310). `fetch` does not decode them if `Accept-Encoding` is set.
 *
 * @throws {RegistryError} If a coding is unknown; from `read`, if the encoded bytes are invalid.
 */
export function decodeContent(response: HttpResponse, body: BodySource = response): BodySource {
  const codings = contentCodings(response);
  if (codings.length === 0) return body;
  if (codings.length > MAX_CODINGS) throw codingError(response, codings, "has too many parts");
  // These modules take long to load, and few responses need them.
  const { pipeline, Readable } = globalThis.process.getBuiltinModule("node:stream");
  const zlib = globalThis.process.getBuiltinModule("node:zlib");
  const decoders = codings.toReversed().map((coding) => {
    const create = DECODERS.get(coding);
    if (create === undefined) throw codingError(response, codings, "was not requested");
    return create;
  });
  let sourceError: unknown;
  const watched: BodySource = {
    read: async () => {
      try {
        return await body.read();
      } catch (error) {
        sourceError = error;
        throw error;
      }
    },
  };
  const decode = async function* (encoded: AsyncIterable<Uint8Array>, create: CreateDecoder) {
    const chunks = encoded[Symbol.asyncIterator]();
    const { value: first } = await chunks.next();
    if (first === undefined) return;
    const readable = Readable.from(withFirst(first, chunks), { objectMode: false });
    // `pipeline` forwards errors to the decoder, which reports them to the reader.
    yield* pipeline(readable, create(zlib, first[0] ?? 0), () => {});
  };
  const decoded = decoders.reduce(decode, chunksOf(watched));
  const iterator = decoded[Symbol.asyncIterator]();
  return {
    read: async () => {
      try {
        const { done, value } = await iterator.next();
        return done ? undefined : new Uint8Array(value);
      } catch (error) {
        // The errors of decoders have no common class or code.
        if (error === sourceError) throw error;
        throw codingError(response, codings, "is invalid", error);
      }
    },
  };
}

async function* chunksOf(source: BodySource): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await source.read();
    if (chunk === undefined) return;
    yield chunk;
  }
}

async function* withFirst(
  first: Uint8Array,
  others: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield first;
  yield* { [Symbol.asyncIterator]: () => others };
}

function codingError(
  response: HttpResponse,
  codings: readonly string[],
  state: string,
  cause?: unknown,
): RegistryError {
  const url = redactUrl(response.url);
  const some = codings.slice(0, MAX_CODINGS + 1).join(", ");
  const fields = { action: `read ${url}`, subject: url, retryable: cause !== undefined };
  return response.error(`its content coding "${some}" ${state}`, fields, { cause });
}
