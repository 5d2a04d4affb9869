import type { BlobReadOptions } from "../../spec/mod.ts";
import type { BlobFollower } from "../../store/mod.ts";
import { noise } from "./bytes.ts";
import { blobOf, type BuiltBlob } from "./image.ts";
import { chunked } from "./memory_content.ts";

/** A blob of incompressible bytes, the same for the same seed. */
export function randomBlob(size: number, seed = 1): BuiltBlob {
  return blobOf("application/octet-stream", noise(size, seed));
}

/** A source of bytes that counts its streams. */
export interface CountingSource {
  /** Source to pass to `ingest()`. */
  readonly open: (options: BlobReadOptions) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /** The requested offsets. */
  readonly offsets: number[];
  /** Number of bytes that were read. */
  bytes: number;
}

/** Options for {@linkcode countingSource}. */
export interface CountingSourceOptions {
  /** Number of bytes after which a stream fails. */
  readonly failAfter?: number;
  /** Called after a number of bytes of a stream, which then stalls forever. */
  readonly stallAfter?: number;
  readonly onStall?: () => void;
  readonly chunk?: number;
}

/** Creates a source of bytes that counts its streams. */
export function countingSource(
  bytes: Uint8Array,
  options: CountingSourceOptions = {},
): CountingSource {
  const { failAfter = Infinity, stallAfter = Infinity, onStall, chunk = 64 * 1024 } = options;
  const source: CountingSource = {
    offsets: [],
    bytes: 0,
    open: ({ offset = 0 }) => {
      source.offsets.push(offset);
      const reader = chunked(bytes.subarray(offset), chunk).getReader();
      let sent = 0;
      return Promise.resolve(
        new ReadableStream({
          async pull(controller) {
            if (sent >= failAfter) return controller.error(new TypeError("connection cut"));
            if (sent >= stallAfter) {
              onStall?.();
              return await new Promise<void>(() => {});
            }
            const { done, value } = await reader.read();
            if (done) return controller.close();
            sent += value.length;
            source.bytes += value.length;
            controller.enqueue(value);
          },
        }, { highWaterMark: 0 }),
      );
    },
  };
  return source;
}

/** Creates a follower that only receives bytes. */
export function followerOf(write: BlobFollower["write"]): BlobFollower {
  return { write, close: () => Promise.resolve(), restart: () => Promise.resolve() };
}
