import type { SkippedEntry } from "../../layer/extraction/extract_report.ts";
import type { XattrMode } from "../../layer/extraction/extractor.ts";
import type { TreeBackend } from "../../layer/trees/file_tree.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import type { TarLimits } from "../../layer/tar/tar_limits.ts";
import type { LayerListener } from "../content/layer_listener.ts";

/** Options for {@linkcode unpackImage}. */
export interface UnpackImageOptions extends TarLimits, LayerListener {
  /**
   * Whether the directory may hold something, over which the image is laid.
   *
   * @default {false}
   */
  readonly force?: boolean | undefined;
  /**
   * What to unpack of the image: these paths, and what is below them.
   *
   * @default All of it.
   */
  readonly paths?: readonly string[] | undefined;
  /**
   * To whom files belong.
   *
   * @default `"strict"` for root, `"squash"` for everybody else, and for root of a user namespace
   * that lacks the ids of images.
   */
  readonly ownership?: Ownership | undefined;
  /**
   * What is done with extended attributes.
   *
   * @default {"on"}
   */
  readonly xattrs?: XattrMode | undefined;
  /**
   * How files are made.
   *
   * @default The native backend where it can be had.
   */
  readonly backend?: TreeBackend | undefined;
  /**
   * Most decompressed bytes of all layers together; 0 stands for no limit.
   *
   * @default {21_474_836_480}
   */
  readonly maxBytes?: number | undefined;
  /**
   * Most decompressed bytes of a layer for each compressed one, once there are more than 64 MiB.
   *
   * @default {1000}
   */
  readonly maxRatio?: number | undefined;
  /**
   * Largest window of a zstd frame, in bytes.
   *
   * @default {134_217_728}
   */
  readonly maxWindow?: number | undefined;
  /**
   * How many layers are downloaded and extracted at once.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /** Stops the work. What has been downloaded stays to be resumed. */
  readonly signal?: AbortSignal | undefined;
  /** Is told what is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What {@linkcode unpackImage} did. */
export interface UnpackReport {
  /** How many entries the layers have, whiteouts included. */
  readonly entries: number;
  /** How many bytes of files the layers have, holes included. */
  readonly bytes: number;
  /** What is not as the image has it: the first 10 000 cases. */
  readonly skipped: readonly SkippedEntry[];
  /** How many cases there are. */
  readonly skippedCount: number;
}
