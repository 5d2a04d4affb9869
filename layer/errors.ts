import { OciError, type OciErrorOptions } from "../spec/errors.ts";
import { quote } from "../spec/json.ts";

/** Position of an error in a layer. */
export interface ExtractPlace {
  /** Digest of the layer, or the name that the caller gave it. */
  readonly layer?: string | undefined;
  /** Name of the entry in the archive; empty if the error does not concern an entry. */
  readonly path: string;
  /** Offset of the entry's header in the uncompressed archive, in bytes or entries. */
  readonly offset: number;
  /**
   * Unit of `offset`: `"entry"` for an index into a table of contents, which has no byte offsets.
   *
   * @default {"byte"}
   */
  readonly offsetUnit?: "byte" | "entry" | undefined;
}

/**
 * Thrown when an entry of a layer cannot be extracted. Entries before it remain extracted, unless
 * the failed call created the root directory.
 *
 * @example Find the entry at fault
 * ```ts
 * import { ExtractError, extractLayer, tarHeader } from "@x/oci/layer";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const layer = new Blob([
 *   tarHeader({ type: "file", path: "etc/hosts" }),
 *   tarHeader({ type: "hardlink", path: "hosts", linkname: "etc/missing" }),
 * ]);
 *
 * const error = await assertRejects(() => extractLayer(layer.stream(), "./rootfs"), ExtractError);
 *
 * assertEquals(error.path, "hosts");
 * ```
 */
export class ExtractError extends OciError implements ExtractPlace {
  /** Digest of the layer, or the name that the caller gave it. */
  readonly layer: string | undefined;
  /** Name of the entry in the archive. */
  readonly path: string;
  /** Offset of the entry's header in the uncompressed archive, in bytes or entries. */
  readonly offset: number;
  /** Unit of `offset`. */
  readonly offsetUnit: "byte" | "entry";

  /** Creates the error. `problem` is the cause in words. */
  constructor(place: ExtractPlace, problem: string, options: OciErrorOptions = {}) {
    super(problem, {
      code: "extract",
      ...options,
      action: `extract ${describePlace(place)}`,
      subject: place.path || place.layer,
    });
    this.layer = place.layer;
    this.path = place.path;
    this.offset = place.offset;
    this.offsetUnit = place.offsetUnit ?? "byte";
  }
}

/**
 * Thrown when an entry would replace or hide the root: an entry called `.` or `/` that is not a
 * directory, or a whiteout of `.` or `..`.
 *
 * Absolute names, names with `..` and links to such targets are not errors: they are resolved as if
 * the root were `/`, as in a container.
 *
 * @example Refuse a layer that replaces the root directory
 * ```ts
 * import { extractLayer, PathEscapeError, tarHeader } from "@x/oci/layer";
 * import { assertRejects } from "@std/assert";
 *
 * const layer = new Blob([tarHeader({ type: "symlink", path: ".", linkname: "/etc" })]);
 *
 * await assertRejects(() => extractLayer(layer.stream(), "./rootfs"), PathEscapeError);
 * ```
 */
export class PathEscapeError extends ExtractError {
  /** Creates the error. `problem` is the cause in words. */
  constructor(place: ExtractPlace, problem: string, options: OciErrorOptions = {}) {
    super(place, problem, { ...options, code: "path-escape" });
  }
}

/** Options for {@linkcode OwnershipError}. */
export interface OwnershipErrorOptions extends OciErrorOptions {
  /**
   * Ownership modes that accept the entry, because they do not set this owner.
   *
   * @default {["squash", "record"]}
   */
  readonly modes?: readonly ("squash" | "record")[] | undefined;
}

/**
 * Thrown when the owner of an entry cannot be set and the ownership mode requires it.
 *
 * @example Find an entry whose owner is not mapped
 * ```ts
 * import { extractLayer, OwnershipError, tarHeader } from "@x/oci/layer";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const layer = new Blob([tarHeader({ type: "file", path: "data", uid: 70_000 })]);
 * const ids = [{ containerId: 0, hostId: 100_000, size: 65_536 }];
 * const ownership = { kind: "map", uids: ids, gids: ids } as const;
 *
 * const error = await assertRejects(
 *   () => extractLayer(layer.stream(), "./rootfs", { ownership }),
 *   OwnershipError,
 * );
 *
 * assertEquals([error.path, error.uid], ["data", 70_000]);
 * ```
 */
export class OwnershipError extends ExtractError {
  /** User ID of the entry. */
  readonly uid: number;
  /** Group ID of the entry. */
  readonly gid: number;
  /** Ownership modes that accept the entry, because they do not set this owner. */
  readonly modes: readonly ("squash" | "record")[];

  /** Creates the error for an owner. `problem` is the cause in words. */
  constructor(
    place: ExtractPlace,
    owner: { readonly uid: number; readonly gid: number },
    problem: string,
    options: OwnershipErrorOptions = {},
  ) {
    const { modes = ["squash", "record"], ...rest } = options;
    super(place, problem, { ...rest, code: "ownership" });
    this.modes = modes;
    this.uid = owner.uid;
    this.gid = owner.gid;
  }
}

/** Describes a position for error messages. */
export function describePlace({ layer, path, offset, offsetUnit = "byte" }: ExtractPlace): string {
  const name = layer === undefined ? "the layer" : `layer ${layer}`;
  const position = offsetUnit === "byte"
    ? `byte ${offset}`
    : `entries[${offset}] of the table of contents`;
  if (path !== "") return `${quote(path)} at ${position} of ${name}`;
  return offset === 0 && offsetUnit === "byte" ? name : `${position} of ${name}`;
}
