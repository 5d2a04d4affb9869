/** `$2b$COST$SALT HASH`; `2a` and `2y` are the same algorithm under older names. */
const HASH_REGEXP = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const MIN_COST = 4;
/** A check at this cost takes seconds; more would let a stranger's guesses occupy a server. */
const MAX_COST = 16;

/** Whether text is a bcrypt hash that {@linkcode bcryptMatches} can check. */
export function isBcryptHash(text: string): boolean {
  const cost = Number(HASH_REGEXP.exec(text)?.[1] ?? NaN);
  return cost >= MIN_COST && cost <= MAX_COST;
}

/**
 * Deno downloads packages that a module imports by a literal name before the program starts, and
 * those of the whole lock file with them. Only a registry with passwords needs this one.
 */
const LIBRARY: string = "npm:bcryptjs@^3.0.3";

interface Bcrypt {
  compare(password: string, hash: string): Promise<boolean>;
}

/** Whether a password has a bcrypt hash. Loads the library when it is first called. */
export async function bcryptMatches(password: string, hash: string): Promise<boolean> {
  if (!isBcryptHash(hash)) return false;
  const { compare }: Bcrypt = await import(LIBRARY);
  return await compare(password, hash);
}
