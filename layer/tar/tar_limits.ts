import { checkLimits } from "../../spec/error_facts.ts";
import { MAX_PATH_BYTES } from "../file_name.ts";

/** Limits of a tar reader. */
export interface TarLimits {
  /**
   * Maximum number of entries.
   *
   * @default {2_000_000}
   */
  readonly maxEntries?: number | undefined;
  /**
   * Maximum size of a path, not including the slash after a directory and the prefix of a whiteout,
   * or of the target of a link, in bytes.
   *
   * @default {4096}
   */
  readonly maxPathBytes?: number | undefined;
  /**
   * Maximum size of a component of a path, in bytes, not including the prefix of a whiteout.
   *
   * @default {255}
   */
  readonly maxNameBytes?: number | undefined;
  /**
   * Maximum size of an extended header, in bytes.
   *
   * @default {1_048_576}
   */
  readonly maxExtendedHeaderBytes?: number | undefined;
  /**
   * Maximum number of global records. Each of them costs time for every entry.
   *
   * @default {100}
   */
  readonly maxGlobalRecords?: number | undefined;
  /**
   * Maximum size of all global records together, in bytes. Each byte costs time for every entry.
   *
   * @default {8192}
   */
  readonly maxGlobalBytes?: number | undefined;
  /**
   * Maximum size of an extended attribute, in bytes.
   *
   * @default {65_536}
   */
  readonly maxXattrBytes?: number | undefined;
  /**
   * Maximum size of all extended attributes of an entry, including their names, in bytes.
   *
   * @default {1_048_576}
   */
  readonly maxXattrsBytes?: number | undefined;
  /**
   * Maximum number of segments of a sparse file.
   *
   * @default {262_144}
   */
  readonly maxSegments?: number | undefined;
}

/** Every limit of a tar reader. */
export type AllTarLimits = { readonly [Name in keyof TarLimits]-?: number };

const DEFAULTS: AllTarLimits = {
  maxEntries: 2_000_000,
  maxPathBytes: MAX_PATH_BYTES,
  maxNameBytes: 255,
  maxExtendedHeaderBytes: 1_048_576,
  maxGlobalRecords: 100,
  maxGlobalBytes: 8192,
  maxXattrBytes: 65_536,
  maxXattrsBytes: 1_048_576,
  maxSegments: 262_144,
};

/** Names of the limits. */
export const TAR_LIMIT_NAMES: readonly (keyof TarLimits)[] = Object.keys(
  DEFAULTS,
) as (keyof TarLimits)[];

/**
 * Fills in the defaults of missing limits.
 *
 * @throws {RangeError} If a limit is not a number >= 0.
 */
export function withDefaults(limits: TarLimits): AllTarLimits {
  const filled: Record<keyof TarLimits, number> = { ...DEFAULTS };
  for (const name of TAR_LIMIT_NAMES) {
    const value = limits[name] ?? DEFAULTS[name];
    checkLimits("read tar", { [name]: value });
    filled[name] = value;
  }
  return filled;
}
