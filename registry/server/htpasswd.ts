import { explainedError } from "../../spec/error_facts.ts";
import { LoginQueue } from "./_login_queue.ts";
import type { PasswordCheck } from "./basic_authentication.ts";

/** `$2b$COST$SALT HASH`; `2a` and `2y` are the same algorithm under older names. */
const HASH_REGEXP = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const MIN_COST = 4;
/** Maximum cost: a check takes seconds, and more would let guesses overload a server. */
const MAX_COST = 16;

/**
 * Not a literal import: before a program starts, Deno downloads packages with a literal name, and
 * with them all packages in the lock file. Only a registry with passwords needs this package.
 */
const LIBRARY: string = "npm:bcryptjs@^3.0.3";

interface Bcrypt {
  compare(password: string, hash: string): Promise<boolean>;
}

/**
 * Parses an htpasswd file in the format of `htpasswd -B` for {@linkcode basicAuthentication}.
 *
 * Hashes must be bcrypt with a cost from 4 to 16, as in Docker's registry: older formats that web
 * servers read (MD5, SHA-1, `crypt`) do not protect the passwords.
 *
 * @param text The file: one `NAME:HASH` per line; empty lines and lines that begin with `#` are
 * ignored.
 * @returns The check. It hashes a correct password only once, and remembers in memory that it was
 * correct. It hashes one password after another, and throws if more than 32 are waiting; the
 * embedded registry then answers 429.
 * @throws {SyntaxError} If a line has another form, a name occurs twice, or there is no name.
 *
 * @example Check a password against an htpasswd file
 * ```ts
 * import { parseHtpasswd } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * // Written by `htpasswd -B`.
 * const text = "ann:$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";
 * const check = parseHtpasswd(text);
 *
 * assertEquals(await check("ann", "U*U"), true);
 * assertEquals(await check("ann", "guess"), false);
 * ```
 */
export function parseHtpasswd(text: string): PasswordCheck {
  const hashes = new Map<string, string>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const [name, hash] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    const place = `line ${i + 1} of the htpasswd file`;
    if (colon < 1) throw htpasswdError(place, 'it must be "NAME:HASH"');
    if (!isBcryptHash(hash)) throw htpasswdError(place, `the hash of "${name}" must be bcrypt`);
    if (hashes.has(name)) throw htpasswdError(place, `"${name}" occurs twice`);
    hashes.set(name, hash);
  }
  // An empty file, most likely written by mistake, would lock everybody out.
  if (hashes.size === 0) throw htpasswdError("the htpasswd file", "it has no users");
  // Clients send the password with every request, and bcrypt is slow by design.
  const { createHmac, randomBytes } = globalThis.process.getBuiltinModule("node:crypto");
  const secret = randomBytes(32);
  const [standIn = ""] = hashes.values();
  const known = new Map<string, string>();
  const queue = new LoginQueue();
  return async (name, password) => {
    const seen = createHmac("sha256", secret).update(password).digest("base64");
    const isKnown = () => known.get(name) === seen;
    if (isKnown()) return true;
    return await queue.run(async () => {
      // The client may have sent several requests at once.
      if (isKnown()) return true;
      // An unknown name takes as long as a known one.
      const hash = hashes.get(name) ?? standIn;
      const { compare }: Bcrypt = await import(LIBRARY);
      const right = await compare(password, hash) && hashes.has(name);
      if (right) known.set(name, seen);
      return right;
    });
  };
}

function htpasswdError(place: string, problem: string): SyntaxError {
  return explainedError(SyntaxError, {
    code: "invalid-text",
    action: `read ${place}`,
    problem,
    advice: 'Create the file with "htpasswd -B"',
  });
}

/** Returns whether text is a bcrypt hash of an acceptable cost. */
function isBcryptHash(text: string): boolean {
  const cost = Number(HASH_REGEXP.exec(text)?.[1] ?? NaN);
  return cost >= MIN_COST && cost <= MAX_COST;
}
