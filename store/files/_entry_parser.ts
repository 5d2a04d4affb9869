import type { TarHeader, TarSink } from "../../layer/tar/tar_header.ts";
import type { TarLimits } from "../../layer/tar/tar_limits.ts";
import { TarParser } from "../../layer/tar/tar_parser.ts";

const HOLE_BYTES = 65_536;

/** Parses the first file of an archive, with extended headers and holes. */
export class EntryParser implements TarSink {
  /** Whether the file has been read completely. */
  isComplete = false;
  readonly #parser: TarParser;
  readonly #size: number;
  /** Offset up to which the content has been read. */
  #end = 0;
  /** Chunks of bytes, and sizes of holes, that have not been returned yet. */
  #pieces: (Uint8Array | number)[] = [];

  /** Creates a parser for a file of known size. */
  constructor(size: number, limits: TarLimits) {
    this.#size = size;
    this.#parser = new TarParser(this, limits);
  }

  /** Parses the next bytes, and yields the content in them, with holes as zeros. */
  *push(bytes: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>, void, void> {
    this.#parser.push(bytes);
    for (const piece of this.#pieces) {
      if (typeof piece !== "number") {
        yield piece as Uint8Array<ArrayBuffer>;
        continue;
      }
      for (let left = piece; left > 0; left -= HOLE_BYTES) {
        yield new Uint8Array(Math.min(HOLE_BYTES, left));
      }
    }
    this.#pieces = [];
  }

  entry({ type, size }: TarHeader): void {
    if (this.isComplete || (type === "file" && size === this.#size)) return;
    throw new Error("Cannot read a file of a layer: its index and its archive differ");
  }

  data(chunk: Uint8Array, position: number): void {
    if (this.isComplete) return;
    this.#pieces.push(position - this.#end, chunk);
    this.#end = position + chunk.length;
  }

  end(): void {
    if (this.isComplete) return;
    this.#pieces.push(this.#size - this.#end);
    this.isComplete = true;
  }
}
