import type { BlobReadOptions } from "../../../spec/mod.ts";
import { BYTES } from "./_ranged_source.ts";

/** How a response to a request arrives. */
export interface Arrival {
  /**
   * Bytes per millisecond.
   *
   * @default {15_000}
   */
  readonly rate?: number;
  /**
   * Number of bytes after which nothing arrives for a while.
   *
   * @default {0}
   */
  readonly stallAfter?: number;
  /**
   * Length of that pause in milliseconds.
   *
   * @default {0}
   */
  readonly stallMs?: number;
}

/** A far server whose bytes arrive as time passes. */
export interface LineSource {
  readonly open: (options: BlobReadOptions) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  readonly requests: { readonly offset: number; readonly length: number | undefined }[];
  /** Number of bytes that were sent, including those on their way when a stream was canceled. */
  sent: number;
}

/** Time from a request to its response. */
export const LATENCY_MS = 60;
const MAX_CHUNK_BYTES = 64 * 1024;

/**
 * Creates a far server that has the blob, for a test with manual time.
 *
 * @param arrival Returns how the response to a request arrives, by the number of the request.
 */
export function lineSource(
  arrival: (request: number) => Arrival,
  bytes: Uint8Array<ArrayBuffer> = BYTES,
): LineSource {
  const source: LineSource = {
    requests: [],
    sent: 0,
    open: ({ offset = 0, length, onAnswer }) => {
      const { rate = 15_000, stallAfter = 0, stallMs = 0 } = arrival(source.requests.length);
      source.requests.push({ offset, length });
      const end = length === undefined ? bytes.length : offset + length;
      const stallsAt = offset + stallAfter;
      const startMs = performance.now() + LATENCY_MS + (stallAfter === 0 ? stallMs : 0);
      const laterMs = stallAfter === 0 ? 0 : stallMs;
      let position = offset;
      let hasAnswered = length === undefined;
      let isCanceled = false;
      /** Returns the position up to which bytes have arrived at a time. */
      const arrived = (ms: number) => {
        const at = offset + rate * (ms - startMs);
        const later = at <= stallsAt ? at : Math.max(stallsAt, at - rate * laterMs);
        return Math.max(position, Math.min(end, Math.floor(later)));
      };
      return Promise.resolve(
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          async pull(controller) {
            if (position === end) return controller.close();
            while (arrived(performance.now()) === position) {
              await sleep(5);
              if (isCanceled) return;
            }
            if (!hasAnswered) onAnswer?.({ isPartial: true, latencyMs: LATENCY_MS });
            hasAnswered = true;
            const until = Math.min(arrived(performance.now()), position + MAX_CHUNK_BYTES);
            source.sent += until - position;
            controller.enqueue(bytes.slice(position, until));
            position = until;
          },
          cancel() {
            isCanceled = true;
            source.sent += arrived(performance.now() + LATENCY_MS) - position;
          },
        }, { highWaterMark: 0 }),
      );
    },
  };
  return source;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
