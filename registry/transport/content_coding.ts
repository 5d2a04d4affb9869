import type { Readable, Transform } from "node:stream";
import type { Answer } from "./answer.ts";
import { redactUrl } from "./redact.ts";
import { RegistryError } from "../errors.ts";

/** Something that bytes are read from, one chunk after another. */
export interface ByteSource {
  /** The next bytes, or `undefined` at the end; what `memory` views may become theirs. */
  read(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

type Zlib = typeof import("node:zlib");

const DECODERS: Readonly<Record<string, (zlib: Zlib) => Transform>> = {
  "gzip": (zlib) => zlib.createGunzip(),
  "x-gzip": (zlib) => zlib.createGunzip(),
  "deflate": (zlib) => zlib.createInflate(),
  "br": (zlib) => zlib.createBrotliDecompress(),
};

/** The content codings of an answer that change its bytes, in the order they were applied. */
export function contentCodings(answer: Answer): readonly string[] {
  const header = answer.headers.get("content-encoding") ?? "";
  return header.split(",").map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
}

/** Whether every coding can be undone. */
export function canDecode(codings: readonly string[]): boolean {
  return codings.every((coding) => Object.hasOwn(DECODERS, coding));
}

/**
 * The bytes of an answer without its content codings, which registries apply although they were
 * asked not to (quay/quay#1310). `fetch` leaves them alone once `Accept-Encoding` is set.
 *
 * @param answer The answer.
 * @param body Its body, if that has been read.
 * @throws {RegistryError} If a coding is not known; also from `read`, if one is broken.
 */
export function decodeContent(answer: Answer, body: ByteSource = answer): ByteSource {
  const codings = contentCodings(answer);
  if (codings.length === 0) return body;
  // Few answers need them, and they take long to load.
  const { pipeline, Readable } = globalThis.process.getBuiltinModule("node:stream");
  const zlib = globalThis.process.getBuiltinModule("node:zlib");
  const decoders = codings.toReversed().map((coding) => {
    const create = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined;
    if (create === undefined) throw codingError(answer, codings, "was not asked for");
    return create(zlib);
  });
  const source: Readable = Readable.from(chunksOf(body), { objectMode: false });
  const decoded = decoders.reduce<Readable>((readable, decoder) => {
    // `pipeline` hands errors on to the decoder, where the reader meets them.
    return pipeline(readable, decoder, () => {});
  }, source);
  const iterator = decoded[Symbol.asyncIterator]();
  return {
    read: async () => {
      try {
        const { done, value } = await iterator.next();
        return done ? undefined : new Uint8Array(value);
      } catch (error) {
        if (!isZlibError(error)) throw error;
        throw codingError(answer, codings, "is broken", error);
      }
    },
  };
}

async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await source.read();
    if (chunk === undefined) return;
    yield chunk;
  }
}

/** Whether a decoder failed, rather than what it reads from. */
function isZlibError(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code.startsWith("Z_") || code.startsWith("ERR_");
}

function codingError(
  answer: Answer,
  codings: readonly string[],
  state: string,
  cause?: unknown,
): RegistryError {
  const url = redactUrl(answer.url);
  return new RegistryError(
    `Cannot read ${url}: its content coding "${codings.join(", ")}" ${state}`,
    { status: answer.status, url, retryable: cause !== undefined },
    { cause },
  );
}
