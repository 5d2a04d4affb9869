import { OciError } from "../../spec/errors.ts";

/** Position of a {@linkcode TarError} in an archive. */
export interface TarErrorPlace {
  /** Offset in bytes of the first header of the entry, or of the end of a truncated archive. */
  readonly offset: number;
  /** Name of the entry, if it is known. */
  readonly entry?: string | undefined;
}

/**
 * Thrown when a tar archive is damaged, truncated or unsupported. Entries before the position are
 * valid; nothing after it can be trusted.
 *
 * @example Find the damaged entry of an archive
 * ```ts
 * import { TarError, tarHeader, TarParser } from "@x/oci/layer";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const parser = new TarParser({ entry() {}, data() {}, end() {} });
 * parser.push(tarHeader({ type: "directory", path: "etc" }));
 * parser.push(tarHeader({ type: "file", path: "etc/motd", size: 1000 }));
 *
 * const error = assertThrows(() => parser.finish(), TarError, "truncated");
 *
 * assertEquals(error.entry, "etc/motd");
 * ```
 */
export class TarError extends OciError {
  /** Offset in bytes of the first header of the entry, or of the end of a truncated archive. */
  readonly offset: number;
  /** Name of the entry, or `undefined` if it is not known. */
  readonly entry: string | undefined;

  /** Creates the error. `problem` is the cause in words. */
  constructor(problem: string, place: TarErrorPlace, options?: ErrorOptions) {
    const { offset, entry } = place;
    const subject = entry === undefined ? "archive" : `entry ${JSON.stringify(entry)}`;
    super(problem, {
      ...options,
      code: "tar",
      action: `read tar ${subject} at byte ${offset}`,
      subject: entry,
    });
    this.offset = offset;
    this.entry = entry;
  }
}
