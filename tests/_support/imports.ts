/**
 * The specifiers that a module imports, exports from, loads lazily or starts as a worker.
 *
 * Reads text as `deno fmt` leaves it: statements begin a line, strings have double quotes.
 * What stands in comments does not count.
 */
export function importsOf(source: string): readonly string[] {
  const code = withoutComments(source);
  const patterns = [
    /^(?:import|export)\s[^;"]*?\bfrom\s+"([^"]+)"/gm,
    /^import\s+"([^"]+)"/gm,
    /\bimport\(\s*"([^"]+)"/g,
    /\bnew URL\(\s*"([^"]+)",\s*import\.meta\.url/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, found = ""]) => found));
}

/** The lines of a module that are no comment. */
export function withoutComments(source: string): string {
  const lines: string[] = [];
  let inside = false;
  for (const line of source.split("\n")) {
    const text = line.trim();
    if (!inside && text.startsWith("/*")) inside = true;
    if (!inside && !text.startsWith("//")) lines.push(line);
    if (inside && text.endsWith("*/")) inside = false;
  }
  return lines.join("\n");
}
