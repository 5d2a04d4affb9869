import { pullStream } from "./pull_stream.ts";
import type { TarHeader } from "./tar_header.ts";
import type { TarLimits } from "./tar_limits.ts";
import { TarParser } from "./tar_parser.ts";

/** An entry of a tar archive, as {@linkcode UntarStream} gives it. */
export interface UntarEntry {
  /** The entry's name, as it stands in the archive. */
  readonly path: string;
  /** All that the archive says of the entry. */
  readonly header: TarHeader;
  /** The content of a file, holes as zeros; absent for what is no file. */
  readonly readable?: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
}

/**
 * Turns the bytes of a tar archive into its entries, in the shape in which `@std/tar`'s
 * `UntarStream` gives them, for every dialect that {@linkcode TarParser} reads.
 *
 * Whoever takes an entry must read its `readable` to the end or cancel it: the next entry comes
 * only then. The archive is read as its entries are asked for; it is complete and undamaged only
 * if the stream of entries closes. A damaged archive ends it with a `TarError`, one beyond the
 * limits with a `LimitError`.
 *
 * @example Read a file of an archive
 * ```ts
 * import { UntarStream } from "@x/oci/layer";
 * import { TarStream } from "@std/tar";
 * import { assertEquals } from "@std/assert";
 *
 * const readable = new Blob(["hello"]).stream();
 * const archive = ReadableStream.from([{ type: "file" as const, path: "a", size: 5, readable }])
 *   .pipeThrough(new TarStream());
 *
 * for await (const entry of archive.pipeThrough(new UntarStream())) {
 *   assertEquals(entry.path, "a");
 *   assertEquals(await new Response(entry.readable).text(), "hello");
 * }
 * ```
 */
export class UntarStream implements TransformStream<Uint8Array, UntarEntry> {
  readonly #readable: ReadableStream<UntarEntry>;
  readonly #writable: WritableStream<Uint8Array>;

  /** Creates a stream that has read nothing yet. */
  constructor(limits: TarLimits = {}) {
    const { readable, writable } = pullStream<Uint8Array, UntarEntry>((read) =>
      readEntries(new EventQueue(read, limits))
    );
    this.#readable = readable;
    this.#writable = writable;
  }

  /** The entries. */
  get readable(): ReadableStream<UntarEntry> {
    return this.#readable;
  }

  /** Takes the archive. */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable;
  }
}

async function* readEntries(queue: EventQueue): AsyncGenerator<UntarEntry, void, void> {
  for (let event; (event = await queue.next()) !== undefined;) {
    // The ends of what has no content.
    if (event.kind !== "entry") continue;
    const { header } = event;
    const { path } = header;
    if (header.type === "file") {
      const { readable, done } = new Content(header, queue);
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

/** What the parser says, chunk by chunk: at most one chunk's worth is held. */
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
      // What stands in front of the damage is told first.
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

/** The content of an entry, read as it is asked for. */
class Content {
  /** The bytes, holes as zeros. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Settles when the bytes were read, were cancelled and passed over, or have failed. */
  readonly done: Promise<void>;
  #isCancelled = false;

  constructor(header: TarHeader, queue: EventQueue) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const chunks = this.#read(header, queue);
    this.done = promise;
    // Who waits for the next entry hears of a failure; nobody need wait.
    promise.catch(() => {});
    this.readable = new ReadableStream({
      pull: async (controller) => {
        try {
          const chunk = await chunks.next();
          if (!chunk.done) return controller.enqueue(chunk.value);
          controller.close();
          resolve();
        } catch (error) {
          reject(error);
          throw error;
        }
      },
      cancel: async () => {
        this.#isCancelled = true;
        try {
          while (!(await chunks.next()).done);
          resolve();
        } catch (error) {
          reject(error);
        }
      },
    }, { highWaterMark: 0 });
  }

  async *#read(
    header: TarHeader,
    queue: EventQueue,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    let at = 0;
    for (let event; (event = await queue.next()) !== undefined;) {
      if (event.kind === "entry") return;
      const next = event.kind === "data" ? event.offset : header.size;
      while (at < next && !this.#isCancelled) {
        const hole = new Uint8Array(Math.min(HOLE_SIZE, next - at));
        at += hole.length;
        yield hole;
      }
      if (event.kind === "end") return;
      at += event.bytes.length;
      // The chunk was given to the stream, and is its reader's now.
      yield event.bytes as Uint8Array<ArrayBuffer>;
    }
  }
}
