const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Writes a number of bytes for people: `999 B`, `1.2 kB`, `34 MB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would be written as "1000", which the next unit says better.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Writes a duration for people: `12 ms`, `3.4 s`, `2 min 5 s`, `1 h 3 min`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Text that is safe to show: control characters, which a registry or an image could use to
 * steer the terminal, stand as escapes.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}

/** The first twelve digits of a digest, as people compare them: `sha256:0123456789ab`. */
export function shortDigest(digest: string): string {
  return digest.slice(0, digest.indexOf(":") + 13);
}

/**
 * Lays rows out in columns, two spaces apart.
 *
 * @param rows The cells of each row, the heading first.
 * @param right Columns that are aligned to the right.
 * @param widths How wide the columns are; as wide as their cells if absent.
 * @returns A line per row, without trailing spaces.
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  widths: readonly number[] = rows.reduce(widened, []),
): readonly string[] {
  return rows.map((row) =>
    row.map((cell, i) =>
      right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)
    )
      .join("  ").trimEnd()
  );
}

/** How wide columns must be for another row as well. */
export function widened(widths: readonly number[], row: readonly string[]): readonly number[] {
  return row.map((cell, i) => Math.max(widths[i] ?? 0, cell.length));
}
