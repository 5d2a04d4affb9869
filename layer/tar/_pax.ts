import { LimitError } from "../../spec/errors.ts";
import { decodeName } from "../file_name.ts";
import { TarError } from "./tar_error.ts";

/** The records of an extended header by key; values are bytes. */
export type PaxRecords = ReadonlyMap<string, Uint8Array>;

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const ZERO = 0x30;

const SCHILY_XATTR = "SCHILY.xattr.";
const LIBARCHIVE_XATTR = "LIBARCHIVE.xattr.";

/** Records whose values are names and end up in system calls. */
const TEXT_KEYS: ReadonlySet<string> = new Set([
  "path",
  "linkpath",
  "uname",
  "gname",
  "GNU.sparse.name",
]);

/**
 * Parses the body of an extended header: records of the form `LENGTH KEY=VALUE\n` (POSIX.1-2017,
 * pax, "pax Extended Header").
 *
 * The pairs that GNU's sparse format 0.0 repeats are joined to the list that 0.1 has.
 *
 * @param body The body; the values are views of it.
 * @param offset Where the header begins in the archive.
 * @throws {TarError} If a record is damaged.
 */
export function parsePax(body: Uint8Array, offset: number): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  const sparse: string[] = [];
  let at = 0;
  while (at < body.length) {
    const { key, value, end } = parseRecord(body, at, offset);
    at = end;
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") {
      const isOffset = key === "GNU.sparse.offset";
      const text = decodeName(value);
      if ((sparse.length % 2 === 0) !== isOffset || text.includes(",")) {
        throw new TarError("its sparse map in the extended header is damaged", { offset });
      }
      sparse.push(text);
    } else {
      records.set(key, value);
    }
  }
  if (sparse.length > 0) {
    records.set("GNU.sparse.map", new TextEncoder().encode(sparse.join(",")));
  }
  return records;
}

interface PaxRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly end: number;
}

function parseRecord(body: Uint8Array, at: number, offset: number): PaxRecord {
  let length = 0;
  let start = at;
  while (start < body.length && body[start] !== SPACE) {
    const digit = (body[start] as number) - ZERO;
    length = digit < 0 || digit > 9 ? NaN : length * 10 + digit;
    start++;
  }
  const end = at + length;
  // NaN fails each of these, as it must.
  if (!(end <= body.length && start + 1 < end) || start === at || body[end - 1] !== NEWLINE) {
    throw new TarError("a record of its extended header has a wrong length", { offset });
  }
  const record = body.subarray(start + 1, end - 1);
  const equals = record.indexOf(EQUALS);
  const key = decodeName(record.subarray(0, Math.max(equals, 0)));
  const value = record.subarray(equals + 1);
  if (key === "" || key.includes("\0")) {
    throw new TarError("a record of its extended header has no key, or a NUL in it", { offset });
  }
  if (TEXT_KEYS.has(key) && value.includes(0)) {
    throw new TarError(`the record "${key}" of its extended header has a NUL in it`, { offset });
  }
  return { key, value, end };
}

/** A decimal integer, or `NaN` if it is none or not a safe one. */
export function paxInteger(value: Uint8Array): number {
  const text = decodeName(value);
  const number = /^-?[0-9]+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(number) ? number : NaN;
}

/** A point in time: whole seconds, rounded down, and the nanoseconds after them. */
export interface PaxTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A decimal number of seconds, or `undefined` if it is none; digits after the ninth are cut. */
export function paxTime(value: Uint8Array): PaxTime | undefined {
  const match = /^(-?)([0-9]+)(?:\.([0-9]*))?$/.exec(decodeName(value));
  const whole = Number(match?.[2] ?? NaN);
  if (match === null || !Number.isSafeInteger(whole)) return undefined;
  const fraction = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds: whole, nanoseconds: fraction };
  return fraction === 0
    ? { seconds: 0 - whole, nanoseconds: 0 }
    : { seconds: -whole - 1, nanoseconds: 1_000_000_000 - fraction };
}

/** How much of extended attributes an entry may have, in bytes. */
export interface XattrLimits {
  /** Of one value. */
  readonly maxXattrBytes: number;
  /** Of all names and values of an entry. */
  readonly maxXattrsBytes: number;
}

/**
 * The extended attributes among the records. Where both spellings name one, `SCHILY.xattr.`
 * wins: its value is raw, and all writers but libarchive's have it alone.
 *
 * @throws {TarError} If a name or a value is not encoded rightly.
 * @throws {LimitError} If there is more than the limits allow.
 */
export function paxXattrs(
  records: PaxRecords,
  offset: number,
  limits: XattrLimits,
): Map<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, value] of records) {
    if (key.startsWith(SCHILY_XATTR)) {
      xattrs.set(key.slice(SCHILY_XATTR.length), value);
    } else if (key.startsWith(LIBARCHIVE_XATTR)) {
      const [name, bytes] = libarchiveXattr(key.slice(LIBARCHIVE_XATTR.length), value, offset);
      if (!records.has(SCHILY_XATTR + name)) xattrs.set(name, bytes);
    }
  }
  let total = 0;
  for (const [name, value] of xattrs) {
    if (name === "" || name.includes("\0")) {
      throw new TarError("an extended attribute has no name, or a NUL in it", { offset });
    }
    total += name.length + value.length;
    const subject = `the tar entry at byte ${offset}`;
    if (value.length > limits.maxXattrBytes) {
      const { maxXattrBytes: max } = limits;
      throw new LimitError("bytes in an xattr", max, value.length, subject, "maxXattrBytes");
    }
    if (total > limits.maxXattrsBytes) {
      const { maxXattrsBytes: max } = limits;
      throw new LimitError("bytes in the xattrs", max, total, subject, "maxXattrsBytes");
    }
  }
  return xattrs;
}

/** libarchive writes the name URL-encoded and the value in base64 without padding. */
function libarchiveXattr(name: string, value: Uint8Array, offset: number): [string, Uint8Array] {
  try {
    const bytes = Uint8Array.fromBase64(decodeName(value).replace(/=+$/, ""));
    return [decodeURIComponent(name), bytes];
  } catch (cause) {
    throw new TarError("an extended attribute is not encoded rightly", { offset }, { cause });
  }
}
