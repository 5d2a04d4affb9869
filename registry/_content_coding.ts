import { Readable } from "node:stream";
import { pipeline } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { Transform } from "node:stream";

/** Something that bytes are read from, one chunk after another. */
export interface ByteSource {
  /** The next bytes, or `undefined` at the end. */
  read(): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

const DECODERS: Readonly<Record<string, () => Transform>> = {
  "gzip": () => createGunzip(),
  "x-gzip": () => createGunzip(),
  "deflate": () => createInflate(),
  "br": () => createBrotliDecompress(),
};

/** The codings of a `Content-Encoding` header that change bytes, in the order they were applied. */
export function contentCodings(header: string | null): readonly string[] {
  return (header ?? "").split(",").map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
}

/**
 * Undoes content codings, which registries apply although they were asked not to
 * (quay/quay#1310). `fetch` leaves them alone once `Accept-Encoding` is set.
 *
 * @returns The decoded bytes, or `undefined` if a coding is not known.
 */
export function decodeContent(
  source: ByteSource,
  codings: readonly string[],
): ByteSource | undefined {
  let readable = Readable.from(chunksOf(source), { objectMode: false });
  for (const coding of codings.toReversed()) {
    const decoder = DECODERS[coding]?.();
    if (decoder === undefined) return undefined;
    // `pipeline` hands errors on to the decoder, where the reader meets them.
    readable = pipeline(readable, decoder, () => {});
  }
  const iterator = readable[Symbol.asyncIterator]();
  return {
    read: async () => {
      const { done, value } = await iterator.next();
      return done ? undefined : new Uint8Array(value);
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
