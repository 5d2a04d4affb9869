/**
 * Stands in for `jsr:@std/tar` where JSR cannot be reached: the same `TarStream` and
 * `UntarStream`, over the npm package `modern-tar`.
 *
 * @module
 */
import { createTarDecoder, createTarPacker } from "modern-tar";

/** Metadata of an entry that {@linkcode TarStream} writes. */
export interface TarStreamOptions {
  /** Permission bits. */
  mode?: number;
  /** Numeric user id. */
  uid?: number;
  /** Numeric group id. */
  gid?: number;
  /** Seconds since 1970. */
  mtime?: number;
  /** User name. */
  uname?: string;
  /** Group name. */
  gname?: string;
}

/** A file that {@linkcode TarStream} writes. */
export interface TarStreamFile {
  /** Tells a file from a directory. */
  type: "file";
  /** Name in the archive. */
  path: string;
  /** Bytes that `readable` gives. */
  size: number;
  /** The content. */
  readable: ReadableStream<Uint8Array>;
  /** Metadata. */
  options?: TarStreamOptions;
}

/** A directory that {@linkcode TarStream} writes. */
export interface TarStreamDir {
  /** Tells a directory from a file. */
  type: "directory";
  /** Name in the archive. */
  path: string;
  /** Metadata. */
  options?: TarStreamOptions;
}

/** What {@linkcode TarStream} takes. */
export type TarStreamInput = TarStreamFile | TarStreamDir;

/** Turns files and directories into the bytes of a tar archive. */
export class TarStream implements TransformStream<TarStreamInput, Uint8Array<ArrayBuffer>> {
  readonly #readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #writable: WritableStream<TarStreamInput>;

  /** Creates a stream with nothing in it. */
  constructor() {
    const packer = createTarPacker();
    this.#readable = packer.readable as ReadableStream<Uint8Array<ArrayBuffer>>;
    this.#writable = new WritableStream<TarStreamInput>({
      async write({ type, path, options = {}, ...file }) {
        const { mtime, ...rest } = options;
        const named = { name: path, type, size: 0, ...rest };
        const header = mtime === undefined ? named : { ...named, mtime: new Date(mtime * 1000) };
        if ("readable" in file) {
          await file.readable.pipeTo(packer.controller.add({ ...header, size: file.size }));
        } else {
          await packer.controller.add(header).close();
        }
      },
      close: () => packer.controller.finalize(),
      abort: (reason) => packer.controller.error(reason),
    });
  }

  /** The archive. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable;
  }

  /** Takes the entries. */
  get writable(): WritableStream<TarStreamInput> {
    return this.#writable;
  }
}

/** An entry that {@linkcode UntarStream} yields. */
export interface TarStreamEntry {
  /** Name in the archive. */
  path: string;
  /** The header, decoded. */
  header: { size: number; mode: number; uid: number; gid: number; mtime: number; linkname: string };
  /** The content, of a file alone. */
  readable?: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Turns the bytes of a tar archive into entries; each `readable` must be drained or canceled. */
export class UntarStream implements TransformStream<Uint8Array<ArrayBuffer>, TarStreamEntry> {
  readonly #readable: ReadableStream<TarStreamEntry>;
  readonly #writable: WritableStream<Uint8Array<ArrayBuffer>>;

  /** Creates a stream that has read nothing yet. */
  constructor() {
    const { readable, writable } = createTarDecoder();
    this.#writable = writable as WritableStream<Uint8Array<ArrayBuffer>>;
    this.#readable = readable.pipeThrough(
      new TransformStream({
        transform({ header, body }, controller) {
          controller.enqueue({
            path: header.name,
            header: {
              size: header.size,
              mode: header.mode ?? 0,
              uid: header.uid ?? 0,
              gid: header.gid ?? 0,
              mtime: Math.floor((header.mtime?.getTime() ?? 0) / 1000),
              linkname: header.linkname ?? "",
            },
            ...(header.type === "file"
              ? { readable: body as ReadableStream<Uint8Array<ArrayBuffer>> }
              : {}),
          });
        },
      }),
    );
  }

  /** The entries. */
  get readable(): ReadableStream<TarStreamEntry> {
    return this.#readable;
  }

  /** Takes the archive. */
  get writable(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#writable;
  }
}
