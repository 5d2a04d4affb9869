import {
  type CredentialFileResult,
  parseCredentialVariable,
  tryReadCredentialFile,
} from "./_credential_file.ts";
import { helperProgram } from "./credential_paths.ts";

/** A credential helper in a credential file. */
export interface CredentialHelperName {
  /** Registry of the helper; absent for the default helper. */
  readonly registry?: string;
  /** The program. */
  readonly program: string;
}

/** Content of a credential file of docker or podman, without secrets. */
export interface CredentialFileSummary {
  /** The file. */
  readonly path: string;
  /** `found`, or the reason why the file is not used. */
  readonly state: "found" | "absent" | "invalid" | "unreadable" | "not granted";
  /** Hosts, or hosts and starts of repositories, with a credential. */
  readonly registries: readonly string[];
  /** Helpers in the file. */
  readonly helpers: readonly CredentialHelperName[];
  /** Unreadable entries. */
  readonly problems: readonly CredentialProblem[];
}

/** An unreadable entry of a credential file. */
export interface CredentialProblem {
  /** Registry, or registry and start of repositories. */
  readonly registry: string;
  /** Reason why the entry cannot be read. */
  readonly why: string;
}

/**
 * Lists the registries and helpers in a credential file of docker or podman, as `CredentialFiles`
 * reads them. Returns no secrets, runs no helpers, and prompts for no permissions.
 *
 * @param path Path of the file, typically one of `new CredentialFiles().paths`.
 *
 * @example List the registries that the user is logged in to
 * ```ts
 * import { saveCredential, summarizeCredentials } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const login = { username: "ann", password: "secret" };
 * await saveCredential("docker.io", login, { path: "./config.json" });
 * await saveCredential("ghcr.io", login, { path: "./config.json" });
 *
 * const { registries } = await summarizeCredentials("./config.json");
 *
 * assertEquals(registries, ["docker.io", "ghcr.io"]);
 * ```
 */
export async function summarizeCredentials(path: string): Promise<CredentialFileSummary> {
  return summaryOf(path, await tryReadCredentialFile(path));
}

/**
 * Lists the registries in a variable with credentials, like {@linkcode summarizeCredentials}.
 *
 * @example List the registries in a variable
 * ```ts
 * import { summarizeVariable } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const text = JSON.stringify({ auths: { "ghcr.io": { auth: btoa("ann:secret") } } });
 *
 * const { registries } = summarizeVariable("DOCKER_AUTH_CONFIG", text);
 *
 * assertEquals(registries, ["ghcr.io"]);
 * ```
 */
export function summarizeVariable(name: string, text: string): CredentialFileSummary {
  return summaryOf(`$${name}`, parseCredentialVariable(name, text));
}

function summaryOf(path: string, result: CredentialFileResult): CredentialFileSummary {
  if (result.state !== "found") {
    return { path, state: result.state, registries: [], helpers: [], problems: [] };
  }
  const { auths, helpers, store, problems } = result.file;
  return {
    path,
    state: "found",
    registries: [...auths.keys()].map(withoutLogin).sort(),
    helpers: [
      ...[...helpers].map(([key, name]) => ({
        registry: withoutLogin(key),
        program: helperProgram(name),
      })),
      ...store === undefined ? [] : [{ program: helperProgram(store) }],
    ],
    problems: [...problems].map(([key, why]) => ({ registry: withoutLogin(key), why })),
  };
}

/** Redacts a name, which may contain a password by mistake. */
function withoutLogin(key: string): string {
  return key.slice(key.lastIndexOf("@") + 1);
}
