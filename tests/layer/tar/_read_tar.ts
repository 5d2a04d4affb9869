import { createHash } from "node:crypto";
import { type TarHeader, type TarLimits, TarParser } from "../../../layer/mod.ts";
import { present } from "../../../spec/json.ts";

/** A parsed entry. */
export interface ReadEntry {
  readonly header: TarHeader;
  /** Content with zeros in its holes; absent if it is too large. */
  readonly content?: Uint8Array<ArrayBuffer>;
  /** Hash of all bytes and their offsets, independent of the chunks. */
  readonly digest: string;
}

/** Options for {@linkcode readTar}. */
export interface ReadTarOptions extends TarLimits {
  /** Sizes of the chunks, repeated. */
  readonly chunkSizes?: readonly number[];
  /** Maximum size of collected files. */
  readonly maxContent?: number;
}

/** Reads an archive, and checks the order of the calls. */
export function readTar(archive: Uint8Array, options: ReadTarOptions = {}): ReadEntry[] {
  const entries: ReadEntry[] = [];
  readTarInto(entries, archive, options);
  return entries;
}

/** Reads an archive of one entry. */
export function readOne(archive: Uint8Array, options: ReadTarOptions = {}): ReadEntry {
  const [first, ...others] = readTar(archive, options);
  if (first === undefined || others.length > 0) throw new Error("there is not one entry");
  return first;
}

/** Like {@linkcode readTar}, for archives that fail: appends the parsed entries to `entries`. */
export function readTarInto(
  entries: ReadEntry[],
  archive: Uint8Array,
  options: ReadTarOptions = {},
): void {
  const { chunkSizes = [65_536], maxContent = 67_108_864, ...limits } = options;
  let open: { header: TarHeader; content: Uint8Array<ArrayBuffer> | undefined } | undefined;
  let hash = createHash("sha256");
  let at = 0;
  const parser = new TarParser({
    entry(header) {
      if (open !== undefined) throw new Error("an entry begins within another");
      const isSmall = header.size <= maxContent;
      open = { header, content: isSmall ? new Uint8Array(header.size) : undefined };
      hash = createHash("sha256");
      at = 0;
    },
    data(chunk, offset) {
      if (open === undefined || open.header.type !== "file") throw new Error("data of no file");
      if (chunk.length === 0 || offset < at || offset + chunk.length > open.header.size) {
        throw new Error("data out of place");
      }
      if (offset !== at) hash.update(`hole to ${offset}`);
      hash.update(chunk);
      at = offset + chunk.length;
      open.content?.set(chunk, offset);
    },
    end() {
      if (open === undefined) throw new Error("an end of nothing");
      const { header, content } = open;
      const digest = hash.digest("hex");
      entries.push({ header, digest, ...present({ content }) });
      open = undefined;
    },
  }, limits);
  let turn = 0;
  for (let from = 0; from < archive.length;) {
    const size = chunkSizes[turn++ % chunkSizes.length] ?? archive.length;
    // The chunk is overwritten afterwards, like a reused buffer.
    const chunk = archive.slice(from, from + size);
    parser.push(chunk);
    chunk.fill(0xee);
    from += size;
  }
  parser.finish();
}

/** Corrects the checksum of a header block. */
export function repairChecksum(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(new TextEncoder().encode(sum.toString(8).padStart(6, "0") + "\0"), 148);
}
