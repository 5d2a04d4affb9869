import type { DecompressOptions } from "../compression/decompressor.ts";
import type { TarLimits } from "../tar/tar_limits.ts";

/** Limits of the archives of layers. */
export interface LayerLimits
  extends TarLimits, Pick<DecompressOptions, "maxBytes" | "maxRatio" | "maxWindow"> {}

const NAMES: Readonly<Record<keyof LayerLimits, true>> = {
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

/** Picks the limits that are set out of a larger object. */
export function pickLimits(options: LayerLimits): LayerLimits {
  const names = Object.keys(NAMES) as (keyof LayerLimits)[];
  return Object.fromEntries(
    names.flatMap((name) => options[name] === undefined ? [] : [[name, options[name]]]),
  );
}
