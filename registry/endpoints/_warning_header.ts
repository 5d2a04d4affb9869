/**
 * A warning in the form of the distribution specification, as an item of a list: `299 - "…"`. A
 * registry sends no other code or agent, and no date.
 */
const WARNING_REGEXP = /(?:^|,)[ \t]*299 - "((?:[^"\\]|\\.)+)"[ \t]*(?=,|$)/g;

/**
 * Parses the texts of `Warning` headers, which `Headers` joins with commas. Skips warnings of other
 * forms, which may come from a cache or a proxy.
 *
 * @returns The texts. Bytes that are not UTF-8 are read as Latin-1.
 */
export function parseWarnings(header: string | null): readonly string[] {
  return Array.from(header?.matchAll(WARNING_REGEXP) ?? [], ([, quoted = ""]) => {
    return decodeUtf8(quoted.replace(/\\(.)/g, "$1"));
  });
}

/** Decodes text of a header, in which each character stands for a byte. */
function decodeUtf8(text: string): string {
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return text;
  }
}
