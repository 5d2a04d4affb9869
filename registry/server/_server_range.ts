import type { ContentRange } from "../registry_content.ts";

/**
 * Parses a `Range` header for content of `size` bytes: one range, all of it (`undefined`), or a
 * range beyond the end.
 *
 * A header that is malformed, has another unit or several ranges is ignored, which RFC 9110,
 * section 14.2, leaves to the server.
 */
export function parseRange(
  header: string | null,
  size: number,
): ContentRange | "unsatisfiable" | undefined {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < offset) return undefined;
  return offset >= size ? "unsatisfiable" : { offset, length: end - offset + 1 };
}
