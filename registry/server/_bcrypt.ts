/** `$2b$COST$SALT HASH`; `2a` and `2y` are the same algorithm under older names. */
const HASH_REGEXP = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const MIN_COST = 4;
/** Maximum cost: a check takes seconds, and more would let guesses overload a server. */
const MAX_COST = 16;

/** Returns whether text is a bcrypt hash that {@linkcode bcryptMatches} can check. */
export function isBcryptHash(text: string): boolean {
  const cost = Number(HASH_REGEXP.exec(text)?.[1] ?? NaN);
  return cost >= MIN_COST && cost <= MAX_COST;
}

/**
 * Not a literal import: before a program starts, Deno downloads packages with a literal name, and
 * with them all packages in the lock file. Only a registry with passwords needs this package.
 */
const LIBRARY: string = "npm:bcryptjs@^3.0.3";

interface Bcrypt {
  compare(password: string, hash: string): Promise<boolean>;
}

/** Returns whether a password matches a bcrypt hash. Loads the library on first use. */
export async function bcryptMatches(password: string, hash: string): Promise<boolean> {
  if (!isBcryptHash(hash)) return false;
  const { compare }: Bcrypt = await import(LIBRARY);
  return await compare(password, hash);
}
