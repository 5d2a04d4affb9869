import { type Digest, digestOf } from "../../spec/mod.ts";
import { concat } from "./bytes.ts";
import { gzip, zstd, zstdSkippable } from "./compress.ts";
import type { LayerInput } from "./image.ts";
import { dir, file, symlink, tar } from "./tar.ts";

/** An entry of a layer with a table of contents. */
export type ChunkedEntry =
  | { readonly dir: string }
  | ChunkedFile
  | { readonly symlink: string; readonly target: string }
  | { readonly hardlink: string; readonly target: string; readonly bytes: Uint8Array };

/** A file of a layer with a table of contents. */
export interface ChunkedFile {
  readonly file: string;
  readonly content: Uint8Array;
  readonly mode?: number;
}

/** Members of an entry in the table. */
export type TableFields = Record<string, unknown>;

/** Options for {@linkcode stargzLayer} and {@linkcode zstdChunkedLayer}. */
export interface ChunkedLayerOptions {
  /** Size of a chunk. */
  readonly chunkSize?: number;
  /** Changes the entries of the table before it is written. */
  readonly change?: (entries: TableFields[]) => TableFields[] | null;
  /** Digest to state instead of the table's own. */
  readonly tableDigest?: Digest;
}

const CHUNK_BYTES = 4 * 1024 * 1024;
const STARGZ_DIGEST = "containerd.io/snapshot/stargz/toc.digest";

/** Writes an archive in pieces that are compressed separately. */
class Pieces {
  readonly parts: Uint8Array<ArrayBuffer>[] = [];
  readonly archive: Uint8Array[] = [];
  size = 0;
  #open: Uint8Array[] = [];
  readonly #compress: (bytes: Uint8Array) => Uint8Array<ArrayBuffer>;

  constructor(compress: (bytes: Uint8Array) => Uint8Array<ArrayBuffer>) {
    this.#compress = compress;
  }

  add(bytes: Uint8Array): void {
    this.#open.push(bytes);
    this.archive.push(bytes);
  }

  /** Ends the piece, and returns the offset of the next one. */
  cut(): number {
    const bytes = concat(...this.#open);
    this.#open = [];
    if (bytes.length > 0) this.addPart(this.#compress(bytes));
    return this.size;
  }

  addPart(part: Uint8Array<ArrayBuffer>): void {
    this.parts.push(part);
    this.size += part.length;
  }
}

/** Writes entries to the archive, and returns the entries of the table. */
function write(
  pieces: Pieces,
  entries: readonly ChunkedEntry[],
  chunkSize: number,
): TableFields[] {
  const table: TableFields[] = [];
  const time = { modtime: "2020-01-02T03:04:05Z", uid: 0, gid: 0 };
  for (const entry of entries) {
    if ("dir" in entry) {
      pieces.add(dir(entry.dir));
      table.push({ name: `${entry.dir}/`, type: "dir", mode: 0o755, ...time });
    } else if ("symlink" in entry) {
      pieces.add(symlink(entry.symlink, entry.target));
      table.push({
        name: entry.symlink,
        type: "symlink",
        linkName: entry.target,
        mode: 0o777,
        ...time,
      });
    } else if ("hardlink" in entry) {
      pieces.add(entry.bytes);
      table.push({
        name: entry.hardlink,
        type: "hardlink",
        linkName: entry.target,
        mode: 0o644,
        ...time,
      });
    } else table.push(...writeFile(pieces, entry, chunkSize).map((one) => ({ ...time, ...one })));
  }
  return table;
}

function writeFile(
  pieces: Pieces,
  { file: name, content, mode = 0o644 }: ChunkedFile,
  chunkSize: number,
): TableFields[] {
  const bytes = file(name, content, { mode });
  const reg = { name, type: "reg", size: content.length, mode, digest: digestOf(content) };
  if (content.length === 0) {
    pieces.add(bytes);
    return [reg];
  }
  const head = bytes.length - Math.ceil(content.length / 512) * 512;
  pieces.add(bytes.subarray(0, head));
  const table: TableFields[] = [];
  for (let at = 0; at < content.length; at += chunkSize) {
    const chunk = content.subarray(at, at + chunkSize);
    const offset = pieces.cut();
    pieces.add(chunk);
    table.push({
      ...(at === 0 ? reg : { name, type: "chunk" }),
      offset,
      chunkOffset: at,
      // As in eStargz, the last chunk reaches up to the end of the file.
      chunkSize: at + chunkSize < content.length ? chunk.length : 0,
      chunkDigest: digestOf(chunk),
    });
  }
  pieces.add(bytes.subarray(head + content.length));
  return table;
}

/** An eStargz layer as stargz-snapshotter writes it, by the public specification. */
export function stargzLayer(
  entries: readonly ChunkedEntry[],
  { chunkSize = CHUNK_BYTES, change = (table) => table, tableDigest }: ChunkedLayerOptions = {},
): LayerInput {
  const pieces = new Pieces((bytes) => gzip(bytes));
  const table = write(pieces, entries, chunkSize);
  const tableAt = pieces.cut();
  const json = new TextEncoder().encode(JSON.stringify({ version: 1, entries: change(table) }));
  pieces.add(tar(file("stargz.index.json", json)));
  pieces.cut();
  pieces.addPart(stargzFooter(tableAt));
  return {
    tar: concat(...pieces.archive),
    blob: concat(...pieces.parts),
    descriptor: {
      annotations: { [STARGZ_DIGEST]: tableDigest ?? digestOf(json) },
    },
  };
}

/** An empty gzip member whose header has the offset of the table. */
export function stargzFooter(tableAt: number): Uint8Array<ArrayBuffer> {
  const field = new TextEncoder().encode(`${tableAt.toString(16).padStart(16, "0")}STARGZ`);
  const head = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, 0x53, 0x47, 22, 0];
  return Uint8Array.from([...head, ...field, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/** A layer as podman writes it with zstd:chunked. */
export function zstdChunkedLayer(
  entries: readonly ChunkedEntry[],
  options: ChunkedLayerOptions = {},
): LayerInput {
  return chunkedLayer(entries, options, "io.github.containers");
}

/** A layer as nerdctl writes it with zstd:chunked: its annotations have other names. */
export function nerdctlChunkedLayer(
  entries: readonly ChunkedEntry[],
  options: ChunkedLayerOptions = {},
): LayerInput {
  return chunkedLayer(entries, options, "io.containers");
}

function chunkedLayer(
  entries: readonly ChunkedEntry[],
  { chunkSize = CHUNK_BYTES, change = (table) => table, tableDigest }: ChunkedLayerOptions,
  owner: "io.github.containers" | "io.containers",
): LayerInput {
  const pieces = new Pieces((bytes) => zstd(bytes));
  const table = write(pieces, entries, chunkSize);
  pieces.add(tar());
  const tableAt = pieces.cut() + 8;
  const json = new TextEncoder().encode(JSON.stringify({ version: 1, entries: change(table) }));
  const compressed = zstd(json);
  pieces.addPart(zstdSkippable(compressed));
  const prefix = `${owner}.zstd-chunked.manifest`;
  const stargz = owner === "io.containers" ? { [STARGZ_DIGEST]: digestOf(json) } : {};
  return {
    tar: concat(...pieces.archive),
    blob: concat(...pieces.parts),
    compression: "zstd",
    descriptor: {
      annotations: {
        ...stargz,
        [`${prefix}-checksum`]: tableDigest ?? digestOf(compressed),
        [`${prefix}-position`]: `${tableAt}:${compressed.length}:${json.length}:1`,
      },
    },
  };
}
