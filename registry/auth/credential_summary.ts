import { parseCredentialFile, readCredentialBytes } from "./_credential_file.ts";

/** A credential helper that a file names. */
export interface CredentialHelperName {
  /** The registry that it is for; absent if it is for all that have no other. */
  readonly registry?: string;
  /** The program. */
  readonly program: string;
}

/** What a credential file of docker or podman names, without its secrets. */
export interface CredentialFileSummary {
  /** The file. */
  readonly path: string;
  /** Whether it counts: `found`, or why not. */
  readonly state: "found" | "absent" | "invalid" | "unreadable" | "not granted";
  /** Hosts, or hosts and the start of repositories, for which it has a credential. */
  readonly registries: readonly string[];
  /** The helpers that it names. */
  readonly helpers: readonly CredentialHelperName[];
  /** Entries that cannot be read, and why. */
  readonly problems: readonly CredentialProblem[];
}

/** An entry of a credential file that cannot be read. */
export interface CredentialProblem {
  /** The registry, or the start of repositories, that it is for. */
  readonly registry: string;
  /** Why it cannot be read. */
  readonly why: string;
}

/**
 * Says for which registries a credential file of docker or podman has credentials, and which
 * helpers it names, as `CredentialFiles` would take them. No secret is in the result, no helper is
 * run, and no permission is asked for.
 *
 * @param path The file, most often one of `new CredentialFiles().paths`.
 * @returns What it names.
 *
 * @example Whom the user is logged in with
 * ```ts
 * import { summarizeCredentials } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(
 *   path,
 *   `{ "auths": { "ghcr.io": { "auth": "dTpw" } }, "credsStore": "pass" }`,
 * );
 *
 * assertEquals(await summarizeCredentials(path), {
 *   path,
 *   state: "found",
 *   registries: ["ghcr.io"],
 *   helpers: [{ program: "docker-credential-pass" }],
 *   problems: [],
 * });
 * await Deno.remove(path);
 * ```
 */
export async function summarizeCredentials(path: string): Promise<CredentialFileSummary> {
  const text = await readText(path);
  if (typeof text !== "string") return nothing(path, text.state);
  try {
    const { auths, helpers, store, problems } = parseCredentialFile(path, text);
    return {
      path,
      state: "found",
      registries: [...auths.keys()].map(withoutLogin).sort(),
      helpers: [
        ...[...helpers].map(([key, name]) => ({
          registry: withoutLogin(key),
          program: `docker-credential-${name}`,
        })),
        ...store === undefined ? [] : [{ program: `docker-credential-${store}` }],
      ],
      problems: [...problems].map(([key, why]) => ({ registry: withoutLogin(key), why })),
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return nothing(path, "invalid");
  }
}

type Absence = Exclude<CredentialFileSummary["state"], "found">;

async function readText(path: string): Promise<string | { readonly state: Absence }> {
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return { state: "not granted" };
  try {
    const bytes = await readCredentialBytes(path);
    return typeof bytes === "string" ? { state: "unreadable" } : new TextDecoder().decode(bytes);
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    // A directory, or closed to this user: the search for credentials passes it over with a warning.
    return { state: isAbsent ? "absent" : "unreadable" };
  }
}

function nothing(path: string, state: Absence): CredentialFileSummary {
  return { path, state, registries: [], helpers: [], problems: [] };
}

/** Somebody may have written a password into what should be a name. */
function withoutLogin(key: string): string {
  return key.slice(key.lastIndexOf("@") + 1);
}
