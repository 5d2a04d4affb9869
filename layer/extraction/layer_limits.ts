import type { DecompressOptions } from "../compression/decompressor.ts";
import type { TarLimits } from "../tar/tar_limits.ts";

/** Limits of the archives of layers. */
export interface LayerLimits
  extends TarLimits, Pick<DecompressOptions, "maxBytes" | "maxRatio" | "maxWindow"> {}

const LIMITS: Readonly<Record<keyof LayerLimits, true>> = {
  maxBytes: true,
  maxRatio: true,
  maxWindow: true,
  maxEntries: true,
  maxPathBytes: true,
  maxNameBytes: true,
  maxExtendedHeaderBytes: true,
  maxGlobalRecords: true,
  maxXattrBytes: true,
  maxXattrsBytes: true,
  maxSegments: true,
};

/** Names of the limits. */
export const LIMIT_NAMES: readonly (keyof LayerLimits)[] = Object.keys(
  LIMITS,
) as (keyof LayerLimits)[];

/** Picks the limits that are set out of a larger object. */
export function pickLimits(options: LayerLimits): LayerLimits {
  return Object.fromEntries(
    LIMIT_NAMES.flatMap((name) => options[name] === undefined ? [] : [[name, options[name]]]),
  );
}
