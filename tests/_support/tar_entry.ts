import { concat, type Content, toUint8Array } from "./bytes.ts";
import {
  GNU_MAGIC,
  gnuLongName,
  header,
  paxHeader,
  type PaxRecords,
  type TarBlock,
  USTAR_MAGIC,
} from "./tar_block.ts";

/** How metadata is written that a plain header cannot hold. */
export type TarDialect = "pax" | "gnu" | "ustar" | "v7";

/** Default modification time of entries: the start of 2020. */
export const MTIME = 1_577_836_800;

/** Metadata of an entry. */
export interface EntryOptions {
  /** @default {0o644, directories 0o755, symbolic links 0o777} */
  readonly mode?: number;
  /** @default {0} */
  readonly uid?: number;
  /** @default {0} */
  readonly gid?: number;
  readonly uname?: Content;
  readonly gname?: Content;
  /**
   * Seconds since 1970; text for any number of decimals.
   *
   * @default {MTIME}
   */
  readonly mtime?: number | string;
  /** Written as `SCHILY.xattr.*`. */
  readonly xattrs?: Readonly<Record<string, Content>>;
  /** Further pax records of this entry, before those that the metadata needs. */
  readonly pax?: PaxRecords;
  /** @default {"pax"} */
  readonly dialect?: TarDialect;
  /** Fields of the header block that replace the above. */
  readonly header?: TarBlock;
}

/** The header of an entry of any kind, with the headers before it that its dialect needs. */
export function entry(block: TarBlock, options: EntryOptions = {}): Uint8Array<ArrayBuffer> {
  const { uid = 0, gid = 0, mtime = MTIME, dialect = "pax", xattrs = {}, pax = [] } = options;
  const name = toUint8Array(block.name ?? "");
  const linkname = toUint8Array(block.linkname ?? "");
  const seconds = Math.floor(Number(mtime));
  const fields: TarBlock = {
    magic: dialect === "v7" ? "" : dialect === "gnu" ? GNU_MAGIC : USTAR_MAGIC,
    size: 0,
    ...block,
    mode: options.mode ?? block.mode ?? 0o644,
    uid,
    gid,
    uname: options.uname ?? "",
    gname: options.gname ?? "",
    mtime: seconds,
  };
  if (dialect !== "pax") {
    const long = dialect === "gnu"
      ? [
        ...linkname.length > 100 ? [gnuLongName("K", linkname)] : [],
        ...name.length > 100 ? [gnuLongName("L", name)] : [],
      ]
      : [];
    const split = dialect === "ustar" && name.length > 100 ? splitName(name) : {};
    return concat(...long, header({ ...fields, ...split, ...options.header }));
  }
  const records: (readonly [string, Content])[] = [
    ...Array.isArray(pax) ? pax : Object.entries(pax),
    ...Object.entries(xattrs).map(([key, value]) => [`SCHILY.xattr.${key}`, value] as const),
  ];
  const plain: Record<string, number> = {};
  const number = (key: "uid" | "gid" | "size", max: number) => {
    const value = fields[key];
    if (typeof value !== "number" || value <= max) return;
    records.push([key, String(value)]);
    plain[key] = 0;
  };
  if (name.length > 100) records.push(["path", name]);
  if (linkname.length > 100) records.push(["linkpath", linkname]);
  number("uid", 0o7777777);
  number("gid", 0o7777777);
  number("size", 0o77777777777);
  if (String(mtime) !== String(seconds) || seconds < 0 || seconds > 0o77777777777) {
    records.push(["mtime", String(mtime)]);
    if (seconds < 0 || seconds > 0o77777777777) plain.mtime = 0;
  }
  const written = header({ ...fields, ...plain, ...options.header });
  return records.length > 0 ? concat(paxHeader(records), written) : written;
}

function splitName(name: Uint8Array): TarBlock {
  for (let at = name.length - 101; at <= 155; at++) {
    if (name[at] === 0x2f) return { prefix: name.slice(0, at), name: name.slice(at + 1) };
  }
  throw new RangeError("Cannot write the name as ustar: it has no slash where it could be split");
}
