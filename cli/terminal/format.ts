import type { Manifest } from "../../spec/image/manifest.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Formats a number of bytes in powers of 1000: `999 B`, `1.2 kB`, `34 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would round to "1000", so use the next unit.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Formats a duration: `12 ms`, `3.4 s`, `2 min 5 s`, `1 h 3 min`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Escapes control characters, with which a registry or an image could control the terminal, and
 * invalid UTF-8 in file names, which would always look the same. `Notices` and `Output.lines()`
 * escape lines, and {@linkcode formatTable} escapes cells.
 */
export function printable(text: string): string {
  // Most names are plain ASCII, and this test takes a fraction of the time.
  if (/^[ -~]*$/.test(text)) return text;
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}

/** Escapes control characters as {@linkcode printable} does, except tabs and line ends. */
export function printableText(text: string): string {
  return text.replaceAll(/[^\t\n]+/g, printable);
}

/** Makes the first letter of a text lower-case, unless the text begins with an abbreviation. */
export function withSmallLetter(text: string): string {
  const [first = "", second = ""] = text;
  return second === second.toUpperCase() ? text : first.toLowerCase() + text.slice(first.length);
}

/** Shortens a digest to twelve digits, such as `sha256:0123456789ab`. */
export function shortDigest(digest: string): string {
  return digest.slice(0, digest.indexOf(":") + 13);
}

/**
 * Aligns rows in columns, two spaces apart. Escapes control characters.
 *
 * @param rows Cells of each row, starting with the heading.
 * @param right Indexes of right-aligned columns.
 * @param widths Widths of the columns; by default the widest cell of each.
 * @returns A line per row, without trailing spaces.
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  widths: readonly number[] = rows.reduce(widened, []),
): readonly string[] {
  return rows.map((row) =>
    row.map(printable).map((cell, i) =>
      right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)
    )
      .join("  ").trimEnd()
  );
}

/** Returns column widths that also fit another row. */
export function widened(widths: readonly number[], row: readonly string[]): readonly number[] {
  return row.map((cell, i) => Math.max(widths[i] ?? 0, printable(cell).length));
}

/** Returns the compressed size of an image in bytes: its config and layers. */
export function imageSize(manifest: Manifest): number {
  return manifest.layers.reduce((size, layer) => size + layer.size, manifest.config.size);
}

/**
 * A user and a password before a host, as in references and URLs; also a name and a tag before
 * something that is no digest, because that looks the same. A transport such as `oci:` is no user.
 */
const LOGIN_REGEXP =
  /(?:(?<=[:@]|\/\/)|(?<=^|[\s"'=(])(?!oci:|(?:oci|docker)-archive:))([^\s/@:"'=(]*):([^\s/]*)/g;
/**
 * The same with a slash in the password, as in many tokens; but not a path after `oci:`, a port, an
 * IPv6 address, or the scheme of a URL.
 */
const SLASHED_LOGIN_REGEXP =
  /(?<=^|[\s"'=(]|\/\/)(?!oci:|(?:oci|docker)-archive:)([^\s/@:"'=([]+):(?!\/|[0-9]{1,5}\/)([^\s"']+)/g;
/** A token without a user in a URL. */
const TOKEN_REGEXP = /(?<=https?:\/\/)[^\s/:"']+@(?=[\w[])(?![^\s/]*@)/gi;
/** An index such as `:@0` after a path is no host. */
const PASSWORD_REGEXP =
  /^.+@(?!(?:sha|blake)[0-9]+[a-z]?:|DIGEST|(?<=:@)[0-9]{1,9}(?![\w.-]|:.))(?=[\w[])/;

/** Replaces secrets in references and URLs, such as `user:password@host`, by `***`. */
export function hidePasswords(text: string): string {
  const hide = (_: string, user: string, rest: string) => {
    return `${user}:${rest.replace(PASSWORD_REGEXP, "***@")}`;
  };
  return text.replaceAll(TOKEN_REGEXP, "***@").replaceAll(LOGIN_REGEXP, hide)
    .replaceAll(SLASHED_LOGIN_REGEXP, hide);
}

/** Quotes a word in single quotes, in a way that bash, zsh and fish parse. */
export function quoteForShell(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
