import type { DecompressOptions } from "../compression/decompressor.ts";
import { TAR_LIMIT_NAMES, type TarLimits } from "../tar/tar_limits.ts";

/** Limits of the archives of layers. */
export interface LayerLimits
  extends TarLimits, Pick<DecompressOptions, "maxBytes" | "maxRatio" | "maxWindow"> {}

/** Names of the limits. */
export const LIMIT_NAMES: readonly (keyof LayerLimits)[] = [
  "maxBytes",
  "maxRatio",
  "maxWindow",
  ...TAR_LIMIT_NAMES,
];

/** Returns those of the options that are limits and are set. */
export function pickLimits(options: LayerLimits): LayerLimits {
  return Object.fromEntries(
    LIMIT_NAMES.flatMap((name) => options[name] === undefined ? [] : [[name, options[name]]]),
  );
}
