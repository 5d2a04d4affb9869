import type { BlobReadOptions, Descriptor } from "../../../spec/mod.ts";
import { ContentStore, type Ingestion, type IngestOptions } from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { chunked } from "../../_support/memory_content.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

export const MIB: number = 1024 * 1024;
const BLOB = randomBlob(24 * MIB + 12_345);
/** Descriptor of the blob. */
export const DESCRIPTOR: Descriptor = BLOB.descriptor;
/** The blob. */
export const BYTES: Uint8Array<ArrayBuffer> = BLOB.bytes;
/** Path of its part in the store. */
export const PART: string = `ingest/${DESCRIPTOR.digest.replace(":", "-")}.part`;

/** A far server, which counts the requests. */
export interface RangedSource {
  readonly open: (options: BlobReadOptions) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  readonly requests: { readonly offset: number; readonly length: number | undefined }[];
  /** Number of bytes that were sent. */
  sent: number;
  /** Maximum number of streams that were open at once. */
  peak: number;
}

/** Options for {@linkcode rangedSource}. */
export interface RangedSourceOptions {
  /** Whether a request, by its number, is answered with the whole blob. */
  readonly sendsWhole?: (request: number) => boolean;
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** Total number of bytes after which every stream fails. */
  readonly failAfter?: number;
  /** Whether a request, by its number, is never answered with a byte. */
  readonly stalls?: (request: number) => boolean;
  /** Called repeatedly while a stream stalls. */
  readonly onStall?: () => void;
  /** Called with each chunk that is sent. */
  readonly onChunk?: () => void | Promise<void>;
}

/** Creates a far server that has a blob. */
export function rangedSource(options: RangedSourceOptions = {}): RangedSource {
  const { sendsWhole = () => false, bytes = BYTES, failAfter = Infinity } = options;
  const { stalls = () => false, onStall = () => {}, onChunk } = options;
  let open = 0;
  const source: RangedSource = {
    requests: [],
    sent: 0,
    peak: 0,
    open: ({ offset = 0, length, onAnswer }) => {
      const isWhole = sendsWhole(source.requests.length);
      const isStalled = stalls(source.requests.length);
      let isCanceled = false;
      source.requests.push({ offset, length });
      if (length !== undefined) onAnswer?.({ isPartial: !isWhole, latencyMs: 100 });
      const end = isWhole || length === undefined ? bytes.length : offset + length;
      const reader = chunked(bytes.subarray(offset, end), 64 * 1024).getReader();
      source.peak = Math.max(source.peak, ++open);
      return Promise.resolve(
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          async pull(controller) {
            while (isStalled && !isCanceled) {
              onStall();
              await new Promise((resolve) => setTimeout(resolve, 0));
            }
            if (isCanceled) return;
            if (source.sent >= failAfter) return controller.error(new TypeError("connection cut"));
            const { done, value } = await reader.read();
            if (done) {
              open--;
              return controller.close();
            }
            source.sent += value.length;
            await onChunk?.();
            controller.enqueue(value);
          },
          cancel() {
            open--;
            isCanceled = true;
          },
        }, { highWaterMark: 0 }),
      );
    },
  };
  return source;
}

/** A store in a new directory. */
export interface StoreScene extends AsyncDisposable {
  readonly store: ContentStore;
  readonly directory: TempDir;
  /** Path of the part of the blob. */
  readonly part: string;
  /** Reads the blob. */
  content(): Promise<Uint8Array>;
  /** Downloads the blob, from a far server over four connections by default. */
  ingest(source: RangedSource, options?: IngestOptions): Promise<Ingestion>;
}

/** Opens a new store. */
export async function openStore(): Promise<StoreScene> {
  const directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));
  return {
    store,
    part: directory.join("store", PART),
    directory,
    content: () => Deno.readFile(store.blobPath(DESCRIPTOR.digest)),
    ingest: (source, options) => {
      return store.ingest(DESCRIPTOR, source.open, { connections: 4, latencyMs: 100, ...options });
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** Yields the chunks of a stream, with a pause after the first one. */
export async function* pausing(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  resume: () => Promise<void>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let isResumed = false;
  for await (const chunk of stream) {
    yield chunk;
    if (!isResumed) await resume();
    isResumed = true;
  }
}
