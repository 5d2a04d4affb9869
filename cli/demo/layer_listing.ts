import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { UntarStream } from "../../layer/tar/untar_stream.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";
import type { Layer } from "../../store/images/image.ts";
import { formatFileMode } from "../terminal/file_mode.ts";
import { formatTable } from "../terminal/format.ts";

/** Lists the entries of a layer like `ls -l`, with an explanation of links and whiteouts. */
export async function layerListing(layer: Layer): Promise<readonly string[]> {
  const archive = await layer.uncompressed();
  const rows: (readonly string[])[] = [];
  for await (const { header, readable } of archive.pipeThrough(new UntarStream())) {
    await readable?.cancel();
    const { type, mode, uid, gid, size, path } = header;
    rows.push([
      formatFileMode(type, mode),
      `${uid}:${gid}`,
      String(size),
      path,
      noteOf(header),
    ]);
  }
  return formatTable(rows, [1, 2]);
}

/** Returns the target of a link, or the effect of a whiteout. */
function noteOf({ type, path, linkname }: TarHeader): string {
  if (type === "symlink") return `-> ${linkname}`;
  if (type === "hardlink") return `the same file as ${linkname}`;
  const mark = parseWhiteout(cleanPath(path));
  if (mark.kind === "opaque") return `hides the content of ${mark.directory}/ in lower layers`;
  if (mark.kind !== "whiteout") return "";
  return `removes ${mark.directory === "" ? "" : `${mark.directory}/`}${mark.name}`;
}
