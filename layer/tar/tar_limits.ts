/** What a tar reader accepts at most. */
export interface TarLimits {
  /**
   * Entries of the archive.
   *
   * @default {2_000_000}
   */
  readonly maxEntries?: number | undefined;
  /**
   * Bytes of a path, and of what a link points to.
   *
   * @default {4096}
   */
  readonly maxPathBytes?: number | undefined;
  /**
   * Bytes of a part of a path between two slashes.
   *
   * @default {255}
   */
  readonly maxNameBytes?: number | undefined;
  /**
   * Bytes of an extended header, pax or GNU, and of all global records together.
   *
   * @default {1_048_576}
   */
  readonly maxExtendedHeaderBytes?: number | undefined;
  /**
   * Records of all global headers together. Each of them costs time with every entry.
   *
   * @default {100}
   */
  readonly maxGlobalRecords?: number | undefined;
  /**
   * Bytes of one extended attribute.
   *
   * @default {65_536}
   */
  readonly maxXattrBytes?: number | undefined;
  /**
   * Bytes of all extended attributes of an entry, names included.
   *
   * @default {1_048_576}
   */
  readonly maxXattrsBytes?: number | undefined;
  /**
   * Runs of bytes of a sparse file.
   *
   * @default {262_144}
   */
  readonly maxSegments?: number | undefined;
}

/** Every limit of a tar reader. */
export type AllTarLimits = { readonly [Name in keyof TarLimits]-?: number };

const DEFAULTS: AllTarLimits = {
  maxEntries: 2_000_000,
  maxPathBytes: 4096,
  maxNameBytes: 255,
  maxExtendedHeaderBytes: 1_048_576,
  maxGlobalRecords: 100,
  maxXattrBytes: 65_536,
  maxXattrsBytes: 1_048_576,
  maxSegments: 262_144,
};

/**
 * Fills limits up with the defaults.
 *
 * @throws {RangeError} If a limit is no number from 0 on.
 */
export function withDefaults(limits: TarLimits): AllTarLimits {
  const filled: Record<keyof TarLimits, number> = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof TarLimits)[]) {
    const value = limits[name] ?? DEFAULTS[name];
    if (!(value >= 0)) {
      throw new RangeError(`Cannot read tar as '${name}' must be >= 0: current value is ${value}`);
    }
    filled[name] = value;
  }
  return filled;
}
