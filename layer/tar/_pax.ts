import { LimitError } from "../../spec/errors.ts";
import { decodeName } from "../file_name.ts";
import { TarError } from "./tar_error.ts";
import type { AllTarLimits } from "./tar_limits.ts";

/** Records of an extended header by key; the values are bytes. */
export type PaxRecords = ReadonlyMap<string, Uint8Array>;

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const ZERO = 0x30;

const SCHILY_XATTR = "SCHILY.xattr.";
const LIBARCHIVE_XATTR = "LIBARCHIVE.xattr.";

/** Records whose values are passed to system calls as strings. */
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
 * The repeated pairs of GNU's sparse format 0.0 become the list of format 0.1.
 *
 * @param body The body; the values are views of it.
 * @param offset Offset of the header in the archive.
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
        throw new TarError("the sparse map in the extended header is invalid", { offset });
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
  // NaN fails these comparisons as well.
  if (!(end <= body.length && start + 1 < end) || start === at || body[end - 1] !== NEWLINE) {
    throw new TarError("a record of the extended header has an invalid length", { offset });
  }
  const record = body.subarray(start + 1, end - 1);
  const equals = record.indexOf(EQUALS);
  const key = decodeName(record.subarray(0, Math.max(equals, 0)));
  const value = record.subarray(equals + 1);
  if (key === "" || key.includes("\0")) {
    throw new TarError("a record of the extended header has no key, or a key with a NUL byte", {
      offset,
    });
  }
  if (TEXT_KEYS.has(key) && value.includes(0)) {
    throw new TarError(`the record "${key}" of the extended header contains a NUL byte`, {
      offset,
    });
  }
  return { key, value, end };
}

/** Parses a decimal integer; returns `NaN` if it is invalid or not a safe integer. */
export function paxInteger(value: Uint8Array): number {
  const text = decodeName(value);
  const number = /^-?[0-9]+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(number) ? number : NaN;
}

/** A point in time: whole seconds, rounded down and possibly not exact, and nanoseconds. */
export interface PaxTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Parses a decimal number of seconds with up to nine decimal places; `undefined` if invalid. */
export function paxTime(value: Uint8Array): PaxTime | undefined {
  const match = /^(-?)([0-9]+)(?:\.([0-9]*))?$/.exec(decodeName(value));
  if (match === null) return undefined;
  const whole = Number(match[2]);
  const fraction = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds: whole, nanoseconds: fraction };
  return fraction === 0
    ? { seconds: 0 - whole, nanoseconds: 0 }
    : { seconds: -whole - 1, nanoseconds: 1_000_000_000 - fraction };
}

/**
 * Extracts the extended attributes from the records. If both spellings name an attribute,
 * `SCHILY.xattr.` wins: its value is raw, and only libarchive writes the other spelling.
 *
 * @throws {TarError} If the encoding of a name or a value is invalid.
 * @throws {LimitError} If the attributes exceed a limit.
 */
export function paxXattrs(
  records: PaxRecords,
  offset: number,
  limits: AllTarLimits,
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
      throw new TarError("an extended attribute has no name, or a name with a NUL byte", {
        offset,
      });
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

/** Decodes libarchive's URL-encoded name and base64 value without padding. */
function libarchiveXattr(name: string, value: Uint8Array, offset: number): [string, Uint8Array] {
  try {
    // Without the look-behind, this would take quadratic time for many equals signs.
    const bytes = Uint8Array.fromBase64(decodeName(value).replace(/(?<!=)=+$/, ""));
    return [decodeURIComponent(name), bytes];
  } catch (cause) {
    throw new TarError("an extended attribute has an invalid encoding", { offset }, { cause });
  }
}
