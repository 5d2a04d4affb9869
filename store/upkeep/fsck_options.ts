import type { ContentSource } from "../../spec/image/content.ts";

/**
 * Kind of a {@linkcode Finding}:
 *
 * - `"version"`: `oci-layout` is missing, cannot be read or has no version;
 * - `"index"`: `index.json` is missing or cannot be read;
 * - `"entry"`: an entry of `index.json`, or another descriptor, has the wrong size or type for its
 *   blob;
 * - `"descriptor"`: an entry of `index.json` is not a valid descriptor; without a name, it is called
 *   `@N`, by its position;
 * - `"corrupt"`: a blob does not match its digest;
 * - `"missing"`: a name leads to a blob that the store lacks;
 * - `"incomplete"`: a name leads to an index, and the store has none of its platforms;
 * - `"stray"`: a file among the blobs is not a blob;
 * - `"layer"`: an extracted layer, or an index of the entries of a layer, is incomplete or damaged.
 */
export type FindingKind =
  | "version"
  | "index"
  | "entry"
  | "descriptor"
  | "corrupt"
  | "missing"
  | "incomplete"
  | "stray"
  | "layer";

/** Damage that {@linkcode fsck} found. */
export interface Finding {
  /** Kind of the damage. */
  readonly kind: FindingKind;
  /** Digest or path of the damaged content. */
  readonly subject: string;
  /** Names that lead to it. */
  readonly names: readonly string[];
  /** Whether it was repaired. */
  readonly repaired: boolean;
  /** Why an attempt to repair it failed. */
  readonly reason?: string | undefined;
}

/** Options for {@linkcode fsck}. */
export interface FsckOptions {
  /**
   * Whether to repair damage: move damaged files to `quarantine/` in the store, and fetch
   * referenced content again.
   *
   * @default {false}
   */
  readonly repair?: boolean | undefined;
  /**
   * Returns the source from which to fetch the content of a name again.
   *
   * By default, nothing is fetched.
   */
  readonly sourceOf?: ((name: string) => ContentSource | undefined) | undefined;
  /** Aborts the check. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each blob, with the number of bytes that have been hashed so far. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

/** Result of {@linkcode fsck}. */
export interface StoreCheck {
  /** Number of blobs that were hashed. */
  readonly blobs: number;
  /** Number of bytes that were hashed. */
  readonly bytes: number;
  /** All damage, repaired or not. */
  readonly findings: readonly Finding[];
}
