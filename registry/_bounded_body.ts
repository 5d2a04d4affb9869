import { LimitError } from "../spec/errors.ts";
import type { Answer } from "./_answer.ts";
import { type ByteSource, decodeContent } from "./_content_coding.ts";
import { redactUrl } from "./_redact.ts";

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

/** Reads at most `maxBytes` and says whether that was all. */
export async function readUpTo(
  source: ByteSource,
  maxBytes: number,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly isWhole: boolean }> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (;;) {
    const chunk = await source.read();
    if (chunk === undefined) return { bytes: concat(chunks, size), isWhole: true };
    const kept = chunk.subarray(0, maxBytes - size);
    chunks.push(kept);
    size += kept.length;
    if (kept.length < chunk.length) return { bytes: concat(chunks, size), isWhole: false };
  }
}

function concat(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
