import { pullStream } from "./pull_stream.ts";
import type { TarHeader } from "./tar_header.ts";
import type { TarLimits } from "./tar_limits.ts";
import { TarParser } from "./tar_parser.ts";

/** An entry that {@linkcode UntarStream} yields. */
export interface UntarEntry {
  /**
   * Name in the archive, as written: `./etc/passwd` and `etc/passwd` are the same file.
   * {@linkcode cleanPath} returns its path.
   */
  readonly path: string;
  /** Header of the entry. */
  readonly header: TarHeader;
  /** Content of a file, with holes as zeros; absent for other types. */
  readonly readable?: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
}

/**
 * Splits a tar archive into entries of the same shape as those of `UntarStream` in `@std/tar`, for
 * every dialect that {@linkcode TarParser} supports.
 *
 * Read the `readable` of each entry to its end or cancel it; the next entry follows only then. The
 * archive is parsed on demand, and is known to be complete and undamaged once the stream closes.
 * The stream fails with a `TarError` if the archive is damaged, and with a `LimitError` if it
 * exceeds a limit.
 *
 * @example Read a file of a layer
 * ```ts
 * import { DecompressStream, UntarStream } from "@x/oci/layer";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 * const entries = layer.readable
 *   .pipeThrough(new DecompressStream())
 *   .pipeThrough(new UntarStream());
 *
 * let release = "";
 * for await (const { path, readable } of entries) {
 *   if (path === "etc/os-release") release = await new Response(readable).text();
 *   else await readable?.cancel();
 * }
 * assertStringIncludes(release, "Alpine Linux");
 * ```
 */
export class UntarStream implements TransformStream<Uint8Array, UntarEntry> {
  /** The entries. */
  readonly readable: ReadableStream<UntarEntry>;
  /** Receives the archive. */
  readonly writable: WritableStream<Uint8Array>;

  /**
   * Creates the stream.
   *
   * @throws {RangeError} If a limit is not a number >= 0.
   */
  constructor(limits: TarLimits = {}) {
    const { readable, writable } = pullStream<Uint8Array, UntarEntry>((read) =>
      readEntries(new EventQueue(read, limits))
    );
    this.readable = readable;
    this.writable = writable;
  }
}

async function* readEntries(queue: EventQueue): AsyncGenerator<UntarEntry, void, void> {
  for (let event; (event = await queue.next()) !== undefined;) {
    // Canceled content leaves events in the queue, and so does an entry without content.
    if (event.kind !== "entry") continue;
    const { header } = event;
    const { path } = header;
    if (header.type === "file") {
      const { readable, done } = openContent(header, queue);
      yield { path, header, readable };
      await done;
    } else {
      yield { path, header };
    }
  }
}

type TarEvent =
  | { readonly kind: "entry"; readonly header: TarHeader }
  | { readonly kind: "data"; readonly bytes: Uint8Array; readonly offset: number }
  | { readonly kind: "end" };

/** Buffers the events of at most one chunk. */
class EventQueue {
  readonly #read: () => Promise<Uint8Array | undefined>;
  readonly #parser: TarParser;
  #events: TarEvent[] = [];
  #at = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(read: () => Promise<Uint8Array | undefined>, limits: TarLimits) {
    this.#read = read;
    this.#parser = new TarParser({
      entry: (header) => void this.#events.push({ kind: "entry", header }),
      data: (bytes, offset) => void this.#events.push({ kind: "data", bytes, offset }),
      end: () => void this.#events.push({ kind: "end" }),
    }, limits);
  }

  async next(): Promise<TarEvent | undefined> {
    while (this.#at === this.#events.length) {
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#events = [];
      this.#at = 0;
      const chunk = await this.#read();
      // Entries before the damage are delivered first.
      try {
        if (chunk === undefined) {
          this.#parser.finish();
          return undefined;
        }
        this.#parser.push(chunk);
      } catch (error) {
        this.#failure = { error };
      }
    }
    return this.#events[this.#at++];
  }
}

const HOLE_SIZE = 65_536;

/**
 * Returns the content of an entry, with holes as zeros, which is read on demand. `done` settles once
 * it has been read or canceled, or has failed.
 */
function openContent({ size }: TarHeader, queue: EventQueue) {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  // A failure is reported to the reader of the next entry.
  done.catch(() => {});
  let isCanceled = false;
  const chunks = readContent(size, queue);
  const readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const chunk = await chunks.next();
        // A canceled stream accepts no chunk.
        if (isCanceled) return;
        if (!chunk.done) return controller.enqueue(chunk.value);
        controller.close();
        resolve();
      } catch (error) {
        reject(error);
        throw error;
      }
    },
    async cancel() {
      isCanceled = true;
      // Waits for a pending read. The rest of the content is skipped before the next entry.
      await chunks.return();
      resolve();
    },
  }, { highWaterMark: 0 });
  return { readable, done };
}

async function* readContent(
  size: number,
  queue: EventQueue,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let at = 0;
  for (let event; (event = await queue.next()) !== undefined;) {
    if (event.kind === "entry") return;
    const next = event.kind === "data" ? event.offset : size;
    while (at < next) {
      const hole = new Uint8Array(Math.min(HOLE_SIZE, next - at));
      at += hole.length;
      yield hole;
    }
    if (event.kind === "end") return;
    at += event.bytes.length;
    // The chunk belongs to the reader of the stream.
    yield event.bytes as Uint8Array<ArrayBuffer>;
  }
}
