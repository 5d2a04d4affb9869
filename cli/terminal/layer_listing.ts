import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { UntarStream } from "../../layer/tar/untar_stream.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";
import type { Layer } from "../../store/images/image.ts";
import { formatFileMode } from "./file_mode.ts";
import { formatTable, printable } from "./format.ts";

/** An entry of a layer in the form of `ls -l`, with the meaning of special entries. */
export interface EntryDescription {
  /** Type and permissions, such as `drwxr-xr-x`. */
  readonly mode: string;
  /** Numeric owner and group. */
  readonly owner: string;
  readonly size: number;
  readonly path: string;
  /** Target of a link, or effect of a whiteout. */
  readonly note: string;
}

/** Lists the entries of a layer with any compression. */
export async function describeEntries(layer: Layer): Promise<readonly EntryDescription[]> {
  const archive = await layer.uncompressed();
  const entries: EntryDescription[] = [];
  for await (const { header, readable } of archive.pipeThrough(new UntarStream())) {
    await readable?.cancel();
    entries.push(listed(header));
  }
  return entries;
}

/** Formats the entries of a layer as lines. */
export function formatListing(entries: readonly EntryDescription[]): readonly string[] {
  const rows = entries.map(({ mode, owner, size, path, note }) => {
    return [mode, owner, String(size), printable(path), printable(note)];
  });
  return formatTable(rows, [1, 2]);
}

function listed(header: TarHeader): EntryDescription {
  const { type, mode, uid, gid, size, path } = header;
  return {
    mode: formatFileMode(type, mode),
    owner: `${uid}:${gid}`,
    size,
    path,
    note: noteOf(header),
  };
}

function noteOf({ type, path, linkname }: TarHeader): string {
  if (type === "symlink") return `-> ${linkname}`;
  if (type === "hardlink") return `the same file as ${linkname}`;
  const mark = parseWhiteout(cleanPath(path));
  if (mark.kind === "opaque") return `hides the content of ${mark.directory}/ in lower layers`;
  if (mark.kind !== "whiteout") return "";
  return `removes ${mark.directory === "" ? "" : `${mark.directory}/`}${mark.name}`;
}
