import { LimitError } from "../../spec/errors.ts";
import type { Answer } from "./answer.ts";
import { type ByteSource, decodeContent } from "./content_coding.ts";
import { redactUrl } from "./redact.ts";

/** What a `LimitError` says of a body that is too large. */
export interface BodyLimit {
  /** What is limited, such as `manifest bytes`. */
  readonly limit: string;
  /** The option that raises it. */
  readonly option?: string;
}

/** Reads a whole body of at most `maxBytes`. */
export async function readBoundedBody(
  answer: Answer,
  maxBytes: number,
  { limit, option }: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const url = redactUrl(answer.url);
  const declared = Number(answer.headers.get("content-length") ?? 0);
  if (declared > maxBytes) throw new LimitError(limit, maxBytes, declared, url, option);
  const { bytes, isWhole } = await readUpTo(decodeContent(answer), maxBytes);
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
