import { parseCredentialFile } from "./_credential_file.ts";

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
 * });
 * await Deno.remove(path);
 * ```
 */
export async function summarizeCredentials(path: string): Promise<CredentialFileSummary> {
  const text = await readText(path);
  if (typeof text !== "string") return nothing(path, text.state);
  try {
    const { auths, helpers, store } = parseCredentialFile(path, text);
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
    return await Deno.readTextFile(path);
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    // A directory, or closed to this user: the search for credentials passes it over with a warning.
    return { state: isAbsent ? "absent" : "unreadable" };
  }
}

function nothing(path: string, state: Absence): CredentialFileSummary {
  return { path, state, registries: [], helpers: [] };
}

/** Somebody may have written a password into what should be a name. */
function withoutLogin(key: string): string {
  return key.slice(key.lastIndexOf("@") + 1);
}
