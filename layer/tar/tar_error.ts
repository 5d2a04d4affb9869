import { OciError } from "../../spec/errors.ts";

/** Where in an archive a {@linkcode TarError} was met. */
export interface TarErrorPlace {
  /** Where in the archive, in bytes: at the first header of the entry, or where it is cut short. */
  readonly offset: number;
  /** The name of the entry, where it is known already. */
  readonly entry?: string | undefined;
}

/**
 * A tar archive is damaged, cut short, or holds what this package does not read. What was
 * read before it stands; nothing after it can be trusted.
 *
 * @example See where an archive is damaged
 * ```ts
 * import { TarError, TarParser } from "@x/oci/layer";
 * import { assertThrows } from "@std/assert";
 *
 * const parser = new TarParser({ entry() {}, data() {}, end() {} });
 * const noise = new Uint8Array(512).fill(7);
 *
 * const error = assertThrows(() => parser.push(noise), TarError);
 * console.log(error.offset); // 0
 * ```
 */
export class TarError extends OciError {
  /** Where in the archive, in bytes: at the first header of the entry, or where it is cut short. */
  readonly offset: number;
  /** The name of the entry, or `undefined` if it is not known. */
  readonly entry: string | undefined;

  /** Creates the error; `state` says what is wrong. */
  constructor(state: string, place: TarErrorPlace, options?: ErrorOptions) {
    const { offset, entry } = place;
    const subject = entry === undefined ? "archive" : `entry ${JSON.stringify(entry)}`;
    super(`Cannot read tar ${subject} at byte ${offset}: ${state}`, options);
    this.offset = offset;
    this.entry = entry;
  }
}
