import { parseImageLocation, type Reference } from "../registry/mod.ts";
import { UsageError } from "./_errors.ts";

const ADVICE = 'write a name such as "alpine:3.20" or "ghcr.io/owner/app@sha256:…"';

/**
 * Parses a reference to an image in a registry, as the user wrote it.
 *
 * @throws {UsageError} If it is none; where lower case would make it one, that is suggested.
 */
export function readReference(text: string): Reference {
  const parsed = parse(text);
  if (!(parsed instanceof SyntaxError)) return parsed;
  const { message } = parsed;
  const lower = text.toLowerCase();
  if (lower !== text && isReference(lower)) {
    throw new UsageError(`${message}; did you mean "${lower}"?`, { cause: parsed });
  }
  // Some of these messages say what to write already.
  const advised = message.replace(JSON.stringify(text), "").includes("; ");
  throw new UsageError(advised ? message : `${message}; ${ADVICE}`, { cause: parsed });
}

/** Says whether a text is a reference to an image in a registry. */
export function isReference(text: string): boolean {
  return !(parse(text) instanceof SyntaxError);
}

function parse(text: string): Reference | SyntaxError {
  try {
    const location = parseImageLocation(text);
    if (location.transport === "docker") return location.reference;
    return new SyntaxError(
      `Cannot read "${text}" here: it is not in a registry; ` +
        `write "docker://${text}" if that is the name of an image`,
    );
  } catch (error) {
    if (error instanceof SyntaxError) return error;
    throw error;
  }
}
