import type { DecompressOptions } from "../compression/decompressor.ts";
import { TAR_LIMIT_NAMES, type TarLimits } from "../tar/tar_limits.ts";

/** Limits of the archives of layers. All but `maxBytes` apply to each layer. */
export interface LayerLimits extends TarLimits, Pick<DecompressOptions, "maxRatio" | "maxWindow"> {
  /**
   * Maximum number of decompressed bytes of all layers of an image together; 0 means no limit.
   * Layers that were decompressed before, and need not be decompressed again, do not count.
   * A file whose content is read must not be larger either, including its holes.
   *
   * @default {21_474_836_480}
   */
  readonly maxBytes?: number | undefined;
}

/** Names of the limits. */
export const LIMIT_NAMES: readonly (keyof LayerLimits)[] = [
  "maxBytes",
  "maxRatio",
  "maxWindow",
  ...TAR_LIMIT_NAMES,
];

/** Whether limits are set that only apply when the archive of a layer is read. */
export function limitsArchives(options: LayerLimits): boolean {
  return LIMIT_NAMES.some((name) => name !== "maxBytes" && options[name] !== undefined);
}

/** Returns those of the options that are limits and are set. */
export function pickLimits(options: LayerLimits): LayerLimits {
  return Object.fromEntries(
    LIMIT_NAMES.flatMap((name) => options[name] === undefined ? [] : [[name, options[name]]]),
  );
}
