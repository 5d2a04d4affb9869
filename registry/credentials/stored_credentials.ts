import { explainedError } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { encodeLogin, loginOf, TOKEN_USER } from "../credentials.ts";
import type { ImagePullAuth } from "../image_client.ts";
import type { DefaultCredentialHelpers } from "../registry_rule.ts";
import { type CredentialFile, readCredentialFile } from "./_credential_file.ts";
import {
  eraseWithHelper,
  type HelperOptions,
  listWithHelper,
  runCredentialHelper,
  storeWithHelper,
} from "./_credential_helper.ts";
import { removeCredentialEntries, setCredentialEntry } from "./_credential_text.ts";
import { updateCredentialFile } from "./_update_credential_file.ts";
import {
  credentialFileKey,
  helperServer,
  isErasedWith,
  normalizeCredentialKey,
} from "./credential_key.ts";
import {
  CREDENTIAL_VARIABLES,
  FILES_HELPER,
  helperOrder,
  helperProgram,
  loginPath,
  logoutPaths,
  podmanPaths,
  skippedVariables,
} from "./credential_paths.ts";

const HELPER_TIMEOUT_MS = 60_000;

/** Options for {@linkcode saveCredential}. */
export interface SaveCredentialOptions {
  /**
   * The credential file.
   *
   * @default {"$REGISTRY_AUTH_FILE", else "config.json" in "$DOCKER_CONFIG" or "~/.docker"}
   */
  readonly path?: string | undefined;
  /**
   * Helpers for all registries, from {@linkcode RegistriesConf}: `containers-auth.json` stands for
   * the file.
   *
   * By default, only the file is used.
   */
  readonly helpers?: DefaultCredentialHelpers | undefined;
  /**
   * Maximum time for a credential helper, which may ask the user for a password, in milliseconds.
   *
   * @default {60_000}
   */
  readonly helperTimeoutMs?: number | undefined;
  /** Aborts the operation. */
  readonly signal?: AbortSignal | undefined;
}

/** Place of a stored credential. */
export interface StoredCredential {
  /** The credential file, or the file that names the helper. */
  readonly path: string;
  /** Helper program that stores the secret, if any. */
  readonly helper: string | undefined;
  /** Podman's files from which an older credential for the registry was erased. */
  readonly replaced: readonly string[];
  /** Podman's files that still have an older credential, which podman uses instead. */
  readonly shadowedBy: readonly string[];
}

/**
 * Stores the credential for a registry where docker and podman find it: in the credential helper
 * that the file names for the registry, or else in the file itself, base64-encoded as docker does.
 *
 * With `helpers`, stores it with the first of them that works, as podman does.
 *
 * Podman searches files of its own first. Without `path`, an older credential for the registry is
 * erased there, so that podman uses the new one.
 *
 * The file is replaced atomically, with mode 0600. Other entries, unknown fields, order and
 * white space stay as they are. Nothing is written if the file is not JSON.
 *
 * @param registry A host, or a host and the start of a repository, such as `ghcr.io`.
 * @param auth User name and password, or identity token.
 * @throws {RangeError} If `auth` contains neither, or the user name contains a colon.
 * @throws {CredentialFileError} If the file is not a JSON object.
 * @throws {OciError} If the helper fails.
 *
 * @example Log in from a script
 * ```ts
 * import { CredentialFiles, saveCredential } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const path = "./config.json";
 * await saveCredential("ghcr.io", { username: "ann", password: "secret" }, { path });
 *
 * const found = await new CredentialFiles({ paths: [path] })
 *   .find({ registry: "ghcr.io", repository: "ann/app" });
 * assertEquals(found?.auth, { username: "ann", password: "secret" });
 * ```
 */
export async function saveCredential(
  registry: string,
  auth: ImagePullAuth,
  options: SaveCredentialOptions = {},
): Promise<StoredCredential> {
  const { helpers, signal } = options;
  const key = normalizeCredentialKey(registry);
  const entry = entryOf(auth);
  let failure: unknown;
  for (const name of helperOrder(helpers)) {
    try {
      if (name === FILES_HELPER) return await saveInFile(key, entry, auth, options);
      await storeWithHelper(name, helperHost(name, key), secretOf(auth), helperOptionsOf(options));
      const path = helpers?.file ?? "registries.conf";
      return { path, helper: helperProgram(name), ...NONE };
    } catch (error) {
      signal?.throwIfAborted();
      failure ??= error;
    }
  }
  throw failure;
}

async function saveInFile(
  key: string,
  entry: Readonly<Record<string, string>>,
  auth: ImagePullAuth,
  options: SaveCredentialOptions,
): Promise<StoredCredential> {
  const { path = defaultPath(), signal } = options;
  const file = await readCredentialFile(path);
  const name = file && helperOf(file, key);
  if (name !== undefined) {
    await storeWithHelper(name, helperServer(key), secretOf(auth), helperOptionsOf(options));
  }
  // Like docker, keep an empty entry for a credential in a helper: no stale password must remain.
  const kept = name === undefined ? entry : {};
  await updateCredentialFile(
    path,
    (text) => setCredentialEntry(text, credentialFileKey(key), kept),
    signal,
  );
  const older = options.path === undefined ? await eraseOlder(key, signal) : NONE;
  return { path, helper: name && helperProgram(name), ...older };
}

function helperOptionsOf({ helperTimeoutMs, signal }: EraseCredentialOptions): HelperOptions {
  return { timeoutMs: helperTimeoutMs ?? HELPER_TIMEOUT_MS, signal };
}

/** Returns the name of a registry for a helper in `registries.conf`. */
function helperHost(helper: string, key: string): string {
  if (!key.includes("/")) return key;
  throw new OciError("credential helpers support registries only, without namespaces", {
    code: "credential-helper",
    action: `store the credential for "${key}"`,
    subject: helperProgram(helper),
  });
}

const NONE: Pick<StoredCredential, "replaced" | "shadowedBy"> = { replaced: [], shadowedBy: [] };

/** Erases credentials that podman would use instead of the new one. */
async function eraseOlder(key: string, signal: AbortSignal | undefined): Promise<typeof NONE> {
  const replaced: string[] = [];
  const shadowedBy: string[] = [];
  for (const path of podmanPaths()) {
    let hasOlder = false;
    try {
      const file = await readCredentialFile(path);
      const isOlder = (other: string) => normalizeCredentialKey(other) === key;
      hasOlder = file !== undefined && removeCredentialEntries(file.text, isOlder) !== file.text;
      if (!hasOlder) continue;
      await updateCredentialFile(path, (text) => removeCredentialEntries(text, isOlder), signal);
      replaced.push(path);
    } catch {
      signal?.throwIfAborted();
      // The new credential is stored. Podman itself reports an invalid file.
      if (hasOlder) shadowedBy.push(path);
    }
  }
  return { replaced, shadowedBy };
}

/** Options for {@linkcode eraseCredential} and {@linkcode eraseCredentials}. */
export interface EraseCredentialOptions extends Omit<SaveCredentialOptions, "path"> {
  /**
   * The credential files.
   *
   * @default {"$REGISTRY_AUTH_FILE", else those of docker and podman}
   */
  readonly paths?: readonly string[] | undefined;
}

/**
 * Erases the credential for a registry from the files of docker and podman, from the helpers that
 * they name for it, and from `helpers`. Credentials for namespaces of the registry stay.
 *
 * @param registry A host, or a host and the start of a repository.
 * @returns Files and helpers that had one.
 * @throws {CredentialFileError} If a file is not a JSON object.
 * @throws {OciError} If a helper fails.
 *
 * @example Log out of one registry
 * ```ts
 * import { eraseCredential, saveCredential, summarizeCredentials } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const path = "./config.json";
 * const login = { username: "ann", password: "secret" };
 * await saveCredential("ghcr.io", login, { path });
 * await saveCredential("quay.io", login, { path });
 *
 * await eraseCredential("ghcr.io", { paths: [path] });
 *
 * assertEquals((await summarizeCredentials(path)).registries, ["quay.io"]);
 * ```
 */
export async function eraseCredential(
  registry: string,
  options: EraseCredentialOptions = {},
): Promise<readonly string[]> {
  return await erase(normalizeCredentialKey(registry), options);
}

/**
 * Erases every credential in the files of docker and podman, in the helpers that they name, and in
 * `helpers`.
 *
 * @returns Files and helpers that had one.
 * @throws {CredentialFileError} If a file is not a JSON object.
 * @throws {OciError} If a helper fails.
 *
 * @example Log out of all registries
 * ```ts
 * import { eraseCredentials, saveCredential, summarizeCredentials } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const path = "./config.json";
 * const login = { username: "ann", password: "secret" };
 * await saveCredential("ghcr.io", login, { path });
 * await saveCredential("quay.io", login, { path });
 *
 * await eraseCredentials({ paths: [path] });
 *
 * assertEquals((await summarizeCredentials(path)).registries, []);
 * ```
 */
export async function eraseCredentials(
  options: EraseCredentialOptions = {},
): Promise<readonly string[]> {
  return await erase(undefined, options);
}

/**
 * Erases credentials from credential files, from the helpers that they name, and from `helpers`.
 *
 * @param key The registry; all of them if absent.
 * @returns Files and helpers that had one.
 */
async function erase(
  key: string | undefined,
  options: EraseCredentialOptions,
): Promise<readonly string[]> {
  const { paths = logoutPaths(), helpers, signal } = options;
  const helperOptions = helperOptionsOf(options);
  const isErased = (other: string) => key === undefined || isErasedWith(other, key);
  const erased = new Set<string>();
  const eraseInHelper = async (name: string, server: string | undefined) => {
    const isFound =
      await (server === undefined
        ? eraseAll(name, helperOptions)
        : eraseIfAny(name, server, helperOptions));
    if (isFound) erased.add(helperProgram(name));
  };
  for (const path of paths) {
    const file = await readCredentialFile(path);
    if (file === undefined) continue;
    for (const [name, server] of helpersFor(file, key)) await eraseInHelper(name, server);
    if (file.auths.keys().some(isErased)) erased.add(path);
    await updateCredentialFile(path, (text) => removeCredentialEntries(text, isErased), signal);
  }
  const failures: unknown[] = [];
  // Helpers in `registries.conf` support registries only, without namespaces.
  const names = key?.includes("/") ? [] : helperOrder(helpers);
  for (const name of names.filter((name) => name !== FILES_HELPER)) {
    try {
      await eraseInHelper(name, key);
    } catch (error) {
      // The credential must not stay in the other helpers.
      signal?.throwIfAborted();
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return [...erased];
}

/**
 * Returns the helpers that a file names for a registry, or for all, with the name of the server; a
 * helper for all registries has none.
 */
function helpersFor(
  file: CredentialFile,
  key: string | undefined,
): readonly (readonly [name: string, server?: string])[] {
  if (key === undefined) {
    const own = [...file.helpers].map(([registry, name]) =>
      [name, helperServer(registry)] as const
    );
    return [...own, ...file.store === undefined ? [] : [[file.store] as const]];
  }
  const name = helperOf(file, key);
  return name === undefined ? [] : [[name, helperServer(key)]];
}

/** Erases all credentials in a helper; returns whether there were any. */
async function eraseAll(name: string, helperOptions: HelperOptions): Promise<boolean> {
  const servers = await listWithHelper(name, helperOptions);
  for (const server of servers) await eraseWithHelper(name, server, helperOptions);
  return servers.length > 0;
}

function defaultPath(): string {
  const path = loginPath();
  if (path !== undefined) return path;
  const skipped = skippedVariables(CREDENTIAL_VARIABLES);
  throw new OciError(
    `neither REGISTRY_AUTH_FILE, DOCKER_CONFIG nor HOME is ${
      skipped === undefined ? "set" : `set and readable; ${skipped}`
    }`,
    {
      code: "credential-place",
      action: "find the credential file",
      advice: "Set one of them, or choose a file",
    },
  );
}

/** Returns the helper for a registry. Helpers support hosts only, without namespaces. */
function helperOf(
  { helpers, store, helperless }: CredentialFile,
  key: string,
): string | undefined {
  if (key.includes("/") || helperless.has(key)) return undefined;
  return helpers.get(key) ?? store;
}

async function eraseIfAny(
  name: string,
  server: string,
  helperOptions: HelperOptions,
): Promise<boolean> {
  let isUnclear = false;
  const unclear = () => {
    isUnclear = true;
  };
  const found = await runCredentialHelper(name, server, {
    ...helperOptions,
    onWarning: unclear,
    onSkipped: unclear,
  });
  if (found === undefined && !isUnclear) return false;
  await eraseWithHelper(name, server, helperOptions);
  return true;
}

/** Returns the entry of a credential file for a credential. */
function entryOf(auth: ImagePullAuth): Readonly<Record<string, string>> {
  const { username, secret } = secretOf(auth);
  if (auth.identityToken === undefined) {
    return { auth: encodeLogin({ username, password: secret }) };
  }
  // Podman ignores a token in an entry without a user.
  const user = loginOf(auth)?.username ?? TOKEN_USER;
  return { auth: encodeLogin({ username: user, password: "" }), identitytoken: secret };
}

/** Returns a credential in the form of the helper protocol. */
function secretOf(auth: ImagePullAuth): { readonly username: string; readonly secret: string } {
  const { identityToken } = auth;
  if (identityToken) return { username: TOKEN_USER, secret: identityToken };
  const login = loginOf(auth);
  if (login !== undefined && !login.username.includes(":")) {
    return { username: login.username, secret: login.password };
  }
  throw explainedError(RangeError, {
    code: "invalid-argument",
    action: "store a credential",
    problem: "it needs a user name without a colon, or an identity token",
    option: "auth",
  });
}
