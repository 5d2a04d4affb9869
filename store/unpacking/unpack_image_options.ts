import type { SkippedEntry } from "../../layer/extraction/extract_report.ts";
import type { XattrMode } from "../../layer/extraction/extractor.ts";
import type { LayerLimits } from "../../layer/extraction/layer_limits.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import type { TreeBackend } from "../../layer/trees/file_tree.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { LayerListener } from "../content/ingest_layer.ts";

/** Options for `unpackImage()`. */
export interface UnpackImageOptions extends LayerLimits, LayerListener {
  /**
   * Whether to unpack over the content of a directory that is not empty.
   *
   * @default {false}
   */
  readonly force?: boolean | undefined;
  /**
   * Paths to unpack, with everything below them.
   *
   * By default, the whole image.
   */
  readonly paths?: readonly string[] | undefined;
  /**
   * Number of leading components to remove from the path of each entry, like
   * `tar --strip-components`: with 2, `usr/share/doc` becomes `doc`. Entries without any components
   * left are skipped. The targets of hard links change with the files, those of symlinks do not. If
   * paths become the same, directories are merged, and a file replaces another one.
   *
   * @default {0}
   */
  readonly strip?: number | undefined;
  /**
   * Whether to fetch only parts of remote layers for `paths`, if the manifest has the digest of a
   * table of contents (eStargz, zstd:chunked) and the paths are less than half of the layer. Parts
   * are verified by the digests in the table rather than by the DiffID, and are not stored. If a
   * limit other than `maxBytes` is set, whole layers are fetched.
   *
   * @default {true}
   */
  readonly partial?: boolean | undefined;
  /** Called with each layer that is fetched only in part; see `partial`. */
  readonly onPartialLayer?: ((layer: Descriptor) => void) | undefined;
  /**
   * Owners of the extracted files.
   *
   * The default is `"strict"` for root, and `"squash"` for other users and for root in a user
   * namespace without the IDs that images use.
   */
  readonly ownership?: Ownership | undefined;
  /**
   * Handling of extended attributes.
   *
   * @default {"on"}
   */
  readonly xattrs?: XattrMode | undefined;
  /**
   * Backend that creates the files.
   *
   * By default, the native backend where it is available.
   */
  readonly backend?: TreeBackend | undefined;
  /**
   * Maximum number of layers to download and extract at once.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /**
   * Called once everything is extracted and verified, before the files appear in the directory. If
   * it fails, nothing appears. With `force`, the files may have appeared already.
   */
  readonly beforePublish?: ((report: UnpackReport) => Promise<void>) | undefined;
  /** Aborts the work. A later call resumes interrupted downloads. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Result of `unpackImage()`. */
export interface UnpackReport {
  /** Number of entries in the layers, including whiteouts. */
  readonly entries: number;
  /** Size of the files in the layers, including holes, in bytes. */
  readonly bytes: number;
  /** The first 10,000 differences from the image, of which an entry may have several. */
  readonly skipped: readonly SkippedEntry[];
  /** Number of differences from the image. */
  readonly skippedCount: number;
  /** Whether layers were fetched only in part, so that the store does not have them. */
  readonly isPartial: boolean;
  /**
   * Number of bytes of such layers that were taken from other layers in the store: those that have
   * a table of contents with the same chunks.
   */
  readonly reusedBytes: number;
}
