import { type ImageLocation, parseImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import { isExplained } from "../../spec/error_facts.ts";
import { NAME_ADVICE, UsageError } from "../frame/errors.ts";
import type { Session } from "../frame/session.ts";

/**
 * Parses the location of an image in a registry, a layout or an archive.
 *
 * @throws {UsageError} If the text is invalid. Suggests lower case if that would be valid.
 */
export function readSource(text: string): ImageLocation {
  const parsed = parse(text);
  if (!(parsed instanceof SyntaxError)) return parsed;
  const problem = describeProblem(parsed);
  const options = { subject: text, cause: parsed };
  const lower = text.toLowerCase();
  if (lower !== text && !(parse(lower) instanceof SyntaxError)) {
    throw new UsageError(problem, `Did you mean "${lower}"?`, options);
  }
  const own = isExplained(parsed) ? parsed.advice : undefined;
  const remedy = own ?? (PATH_REGEXP.test(text) ? adviceForPath(text) : NAME_ADVICE);
  throw new UsageError(problem, remedy, options);
}

/**
 * Parses the location of an image. A digest or its start, as in `@sha256:0123456789ab`, names an
 * image in the store, which need not have a name.
 *
 * @throws {UsageError} If the text is invalid.
 * @throws {CommandError} If no digest in the store starts like this, or several do.
 */
export async function locateImage(session: Session, text: string): Promise<ImageLocation> {
  const start = digestStart(text);
  if (start === undefined) return readSource(text);
  const { locateDigest } = await import("./stored_digest.ts");
  return await locateDigest(session, start, text);
}

/** A digest or its start, as in `@sha256:0123456789ab`. */
const DIGEST_REGEXP = /^@?(sha(?:256|512):[0-9a-f]{6,128})$/;

/** Returns the digest or the start of a digest that a text consists of; `undefined` for a name. */
export function digestStart(text: string): string | undefined {
  return DIGEST_REGEXP.exec(text)?.[1];
}

/** Describes why the library could not parse a reference. */
function describeProblem(error: SyntaxError): string {
  return isExplained(error) ? `cannot ${error.action}: ${error.problem}` : String(error);
}

/** Start of the location of an image in a layout or an archive. */
const OUTSIDE_REGEXP = /^(?:oci|oci-archive|docker-archive):/;

/**
 * Returns the location of an image in a layout or an archive; `undefined` for a name in the store
 * or a registry.
 *
 * @throws {UsageError} If the location is invalid.
 */
export function locateOutside(name: string): ImageLocation | undefined {
  // A name that another tool stored may not be a valid location.
  return OUTSIDE_REGEXP.test(name) ? readSource(name) : undefined;
}

/**
 * Parses a reference to an image in a registry.
 *
 * @throws {UsageError} If the text is invalid.
 */
export function readReference(text: string): Reference {
  const source = readSource(text);
  if (source.transport === "docker") return source.reference;
  throw new UsageError(
    `cannot use "${text}" here: it is not in a registry`,
    `See it with "oci inspect"; if it is the name of an image, write "docker://${text}"`,
    { subject: text },
  );
}

/** Returns whether a text is a reference to an image in a registry. */
export function isReference(text: string): boolean {
  const parsed = parse(text);
  return !(parsed instanceof SyntaxError) && parsed.transport === "docker";
}

/** Returns whether a text names a repository in a registry, without a tag or a digest. */
export function isRepository(text: string): boolean {
  return isReference(`${text}:latest`);
}

/** Appends a digest to a name, unless the name has it already. */
export function pinned(name: string, digest: string): string {
  return name.endsWith(`@${digest}`) ? name : `${name}@${digest}`;
}

/** The start of a path, also on Windows. */
const PATH_REGEXP = /^(?:[./\\]|[A-Za-z]:\\)/;

function adviceForPath(text: string): string {
  return /\.(tar|tgz|tar\.\w+)$/i.test(text)
    ? `Write "oci-archive:${text}" or "docker-archive:${text}" for an archive`
    : `Write "oci:${text}" for a layout on disk`;
}

let aliases: (text: string) => string = (text) => text;

/** Sets the function that resolves an alias to a name. */
export function setAliases(resolve: (text: string) => string): void {
  aliases = resolve;
}

/** Resolves a short name that is an alias. Returns other text unchanged. */
export function withoutAlias(text: string): string {
  return isShortName(text) ? aliases(text) : text;
}

/** Returns whether a text may be a name without a registry. */
function isShortName(text: string): boolean {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  const hasRegistry = slash >= 0 && (/[.:]/.test(first) || first === "localhost");
  return !hasRegistry && !text.startsWith("docker:") && !OUTSIDE_REGEXP.test(text);
}

function parse(text: string): ImageLocation | SyntaxError {
  try {
    const location = parseImageLocation(text);
    const name = location.transport === "docker" ? withoutAlias(text) : text;
    return name === text ? location : parseImageLocation(name);
  } catch (error) {
    if (error instanceof SyntaxError) return error;
    throw error;
  }
}
