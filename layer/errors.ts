import { OciError } from "../spec/errors.ts";

/** Where in a layer something went wrong. */
export interface ExtractPlace {
  /** The layer, by digest or as the caller named it; `undefined` if the caller did not. */
  readonly layer?: string | undefined;
  /** Name of the entry as it stands in the archive; empty if no entry is concerned. */
  readonly path: string;
  /** Where the entry's header begins in the uncompressed archive, in bytes. */
  readonly offset: number;
}

/**
 * An entry of a layer cannot be extracted. What was extracted before it is still there, unless
 * the call that failed had created the root directory itself.
 *
 * @example Tell which entry was wrong
 * ```ts
 * import { ExtractError } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ExtractError({ path: "etc/hosts", offset: 512 }, "its parent is a file");
 *
 * assertEquals(
 *   error.message,
 *   'Cannot extract "etc/hosts" at byte 512 of the layer: its parent is a file',
 * );
 * ```
 */
export class ExtractError extends OciError implements ExtractPlace {
  /** The layer, by digest or as the caller named it; `undefined` if the caller did not. */
  readonly layer: string | undefined;
  /** Name of the entry as it stands in the archive. */
  readonly path: string;
  /** Where the entry's header begins in the uncompressed archive, in bytes. */
  readonly offset: number;

  /** Creates the error; `state` says what is wrong and what to do. */
  constructor(place: ExtractPlace, state: string, options?: ErrorOptions) {
    super(`Cannot extract ${describePlace(place)}: ${state}`, options);
    this.layer = place.layer;
    this.path = place.path;
    this.offset = place.offset;
  }
}

/**
 * An entry asks for something outside the root, in a way that cannot be meant to be inside it.
 *
 * Names that are absolute, or climb with `..`, are taken as if the root were `/`, as they are
 * in a container; they are no errors. These are: a hard link whose target climbs above the
 * root, something other than a directory in place of the root itself, a whiteout of `.` or
 * `..`.
 */
export class PathEscapeError extends ExtractError {}

/** An entry's owner cannot be set, and the ownership mode does not do without. */
export class OwnershipError extends ExtractError {
  /** The user that the entry belongs to. */
  readonly uid: number;
  /** The group that the entry belongs to. */
  readonly gid: number;

  /** Creates the error for an owner. */
  constructor(
    place: ExtractPlace,
    owner: { readonly uid: number; readonly gid: number },
    state: string,
    options?: ErrorOptions,
  ) {
    super(place, state, options);
    this.uid = owner.uid;
    this.gid = owner.gid;
  }
}

/** Names a place in messages. */
export function describePlace({ layer, path, offset }: ExtractPlace): string {
  const name = layer === undefined ? "the layer" : `layer ${layer}`;
  if (path === "" && offset === 0) return name;
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return `${JSON.stringify(shown)} at byte ${offset} of ${name}`;
}
