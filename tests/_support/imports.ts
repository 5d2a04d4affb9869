/**
 * The specifiers that a module imports, exports from, loads lazily or starts as a worker.
 *
 * Reads text as `deno fmt` leaves it: statements begin a line, strings have double quotes. Ignores
 * comments.
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

/** Returns the source of a module without comments. */
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

/**
 * Rewrites the bare names of an import map as `deno publish` does: `bcryptjs` becomes
 * `npm:bcryptjs@^3.0.3`, and `deno-std/assert/mod.js` with an entry for `deno-std/` the specifier
 * of that file.
 */
export function rewriteImports(source: string, imports: Readonly<Record<string, string>>): string {
  return source.replace(
    /((?:\bfrom|^import|\bimport\()\s*")([^".][^"]*)(")/gm,
    (all, before: string, specifier: string, after: string) => {
      const target = lookUp(specifier, imports);
      return target === undefined ? all : `${before}${target}${after}`;
    },
  );
}

function lookUp(
  specifier: string,
  imports: Readonly<Record<string, string>>,
): string | undefined {
  for (const [name, target] of Object.entries(imports)) {
    if (specifier === name) return target;
    if (name.endsWith("/") ? specifier.startsWith(name) : specifier.startsWith(`${name}/`)) {
      // `npm:/x` is the form that an import map needs for a prefix.
      return target.replace(/^(npm|jsr):\//, "$1:") + specifier.slice(name.length);
    }
  }
  return undefined;
}
