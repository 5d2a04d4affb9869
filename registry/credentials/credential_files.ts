import { checkIntegers } from "../../spec/error_facts.ts";
import { readGrantedEnvironment } from "../../spec/granted.ts";
import type { Credential, CredentialFindOptions, CredentialStore } from "../credentials.ts";
import type { ImagePullAuth } from "../image_client.ts";
import type { Repository } from "../reference.ts";
import type { DefaultCredentialHelpers } from "../registry_rule.ts";
import { SharedTasks } from "../tasks/shared_task.ts";
import { BoundedMap, MAX_HOSTS } from "../transport/bounded_map.ts";
import {
  type CredentialFile,
  type CredentialFileResult,
  parseCredentialVariable,
  tryReadCredentialFile,
} from "./_credential_file.ts";
import { runCredentialHelper } from "./_credential_helper.ts";
import { credentialKeys, helperServer, hostKey } from "./credential_key.ts";
import {
  CREDENTIAL_VARIABLES,
  credentialPaths,
  CREDENTIALS_VARIABLE,
  FILES_HELPER,
  helperOrder,
  helperProgram,
  skippedVariables,
  variablePosition,
} from "./credential_paths.ts";

const HELPER_TIMEOUT_MS = 10_000;
/** Time for which the answer of a helper is cached, in milliseconds: its credential may expire. */
const ANSWER_LIFETIME_MS = 60_000;

/** Options for {@linkcode CredentialFiles}. */
export interface CredentialFilesOptions {
  /**
   * Paths of the files; the first one with a credential wins.
   *
   * By default, the files of docker and podman; see {@linkcode CredentialFiles}.
   */
  readonly paths?: readonly string[] | undefined;
  /**
   * Helpers for all registries, from {@linkcode RegistriesConf}. A credential in an earlier helper,
   * or in the files where the list has `containers-auth.json`, wins. Other lists exclude the files.
   *
   * By default, only the files are used.
   */
  readonly helpers?: DefaultCredentialHelpers | undefined;
  /**
   * Maximum time for a credential helper, in milliseconds.
   *
   * @default {10_000}
   */
  readonly helperTimeoutMs?: number | undefined;
  /**
   * Reads the environment variables that name the files, and `DOCKER_AUTH_CONFIG`.
   *
   * By default, it reads the environment as far as permissions allow, without prompting.
   */
  readonly env?: (name: string) => string | undefined;
}

/**
 * The stored credentials of docker and podman, including their helpers.
 *
 * The files are `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`,
 * `$XDG_RUNTIME_DIR/containers/auth.json` (without the variable, on Linux and with
 * `--allow-sys=uid`, `/run/containers/UID/auth.json`) and `$XDG_CONFIG_HOME/containers/auth.json`
 * or `~/.config/containers/auth.json`, in this order. The text of such a file in
 * `$DOCKER_AUTH_CONFIG`, in which helpers do not count, precedes docker's file. A key in a file is a
 * host, or a host and the start of a repository; the longest match wins. In a file, the helper in
 * `credHelpers` comes first, then `auths`, then the helper in `credsStore`.
 *
 * Skips missing, invalid and unreadable files, and helpers that are missing or fail. Reads the
 * files for each search, and caches the answers of helpers for a minute.
 *
 * @example Use the logins in a file of your own
 * ```ts
 * import { CredentialFiles, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const auths = { "ghcr.io/ann": { auth: btoa("ann:secret") } };
 * await Deno.writeTextFile("./auth.json", JSON.stringify({ auths }));
 *
 * const credentials = new CredentialFiles({ paths: ["./auth.json"] });
 * using client = new RemoteClient({ credentials });
 *
 * const found = await credentials.find({ registry: "ghcr.io", repository: "ann/app" });
 * assertEquals(found?.auth, { username: "ann", password: "secret" });
 * ```
 */
export class CredentialFiles implements CredentialStore {
  readonly #paths: readonly string[] | undefined;
  readonly #helpers: DefaultCredentialHelpers | undefined;
  readonly #helperTimeoutMs: number;
  readonly #env: (name: string) => string | undefined;
  /** Whether the environment of the process leads to the files. */
  readonly #usesProcess: boolean;
  readonly #answers = new BoundedMap<string, { auth: ImagePullAuth | undefined; until: number }>(
    MAX_HOSTS,
  );
  readonly #running = new SharedTasks<ImagePullAuth | undefined>();

  /**
   * Creates the store without reading any file.
   *
   * @throws {RangeError} If `helperTimeoutMs` is not an integer above 0.
   */
  constructor(options: CredentialFilesOptions = {}) {
    const { paths, helpers, helperTimeoutMs = HELPER_TIMEOUT_MS } = options;
    const { env = readGrantedEnvironment } = options;
    checkIntegers("find credentials", { helperTimeoutMs }, 1);
    this.#paths = paths;
    this.#helpers = helpers;
    this.#helperTimeoutMs = helperTimeoutMs;
    this.#env = env;
    this.#usesProcess = paths === undefined && options.env === undefined;
  }

  /** Paths to search, in order; they may not exist. */
  get paths(): readonly string[] {
    return this.#paths ?? credentialPaths(this.#env);
  }

  /** Finds the credential for a repository; see {@linkcode CredentialStore.find}. */
  async find(
    repository: Repository,
    options: CredentialFindOptions = {},
  ): Promise<Credential | undefined> {
    for (const name of helperOrder(this.#helpers)) {
      options.signal?.throwIfAborted();
      // Podman names Docker Hub "docker.io" here, unlike docker.
      const server = hostKey(repository.registry);
      const credential = name === FILES_HELPER
        ? await this.#findInFiles(repository, options)
        : await this.#ask(name, server, this.#helpers?.file, options);
      if (credential !== undefined) return credential;
    }
    return undefined;
  }

  async #findInFiles(
    repository: Repository,
    options: CredentialFindOptions,
  ): Promise<Credential | undefined> {
    const skipped = this.#usesProcess ? skippedVariables(CREDENTIAL_VARIABLES) : undefined;
    if (skipped !== undefined) options.onSkipped?.(skipped);
    for (const open of this.#places()) {
      options.signal?.throwIfAborted();
      const file = usableFile(await open(), options);
      if (file === undefined) continue;
      const credential = await this.#search(file, repository, options);
      if (credential !== undefined) return credential;
    }
    return undefined;
  }

  /** Returns functions that read the files, and the variable, in order of precedence. */
  #places(): readonly (() => Promise<OpenedFile>)[] {
    const places = this.paths.map((path) => async (): Promise<OpenedFile> => {
      return { path, result: await tryReadCredentialFile(path) };
    });
    const text = this.#paths === undefined ? this.#env(CREDENTIALS_VARIABLE) : undefined;
    if (text) {
      const result = parseCredentialVariable(CREDENTIALS_VARIABLE, text);
      const variable = { path: `$${CREDENTIALS_VARIABLE}`, result };
      places.splice(variablePosition(this.#env), 0, () => Promise.resolve(variable));
    }
    return places;
  }

  async #search(
    file: CredentialFile,
    repository: Repository,
    options: CredentialFindOptions,
  ): Promise<Credential | undefined> {
    const keys = credentialKeys(repository);
    const helper = keys.map((key) => file.helpers.get(key)).find((name) => name !== undefined);
    const auth = keys.map((key) => file.auths.get(key)).find((entry) => entry !== undefined);
    const broken = keys.find((key) => file.problems.has(key));
    if (auth === undefined && broken !== undefined) {
      const problem = file.problems.get(broken);
      options.onWarning?.(
        `Cannot read the credential for "${broken}" in "${file.path}": ${problem}`,
      );
    }
    const store = keys.some((key) => file.helperless.has(key)) ? undefined : file.store;
    const server = helperServer(repository.registry);
    return await this.#ask(helper, server, file.path, options) ??
      (auth === undefined ? undefined : { auth, source: file.path }) ??
      await this.#ask(store, server, file.path, options);
  }

  async #ask(
    helper: string | undefined,
    server: string,
    path: string | undefined,
    options: CredentialFindOptions,
  ): Promise<Credential | undefined> {
    if (helper === undefined) return undefined;
    const id = `${helper} ${server}`;
    let answer = this.#answers.get(id);
    if (answer === undefined || answer.until <= performance.now()) {
      const timeoutMs = this.#helperTimeoutMs;
      // Concurrent searches share the helper. One that is aborted must not affect the others.
      const auth = await this.#running.run(id, options.signal, (signal) => {
        return runCredentialHelper(helper, server, { ...options, signal, timeoutMs });
      });
      answer = { auth, until: performance.now() + ANSWER_LIFETIME_MS };
      this.#answers.set(id, answer);
    }
    const { auth } = answer;
    return auth && { auth, source: `${helperProgram(helper)}, named in ${path}` };
  }
}

/** A credential file that has been read, or the reason why it cannot be used. */
interface OpenedFile {
  readonly path: string;
  readonly result: CredentialFileResult;
}

/** Returns a file if it can be used; reports the reason otherwise. */
function usableFile(
  { path, result }: OpenedFile,
  { onWarning, onSkipped }: CredentialFindOptions,
): CredentialFile | undefined {
  if (result.state === "found") return result.file;
  if (result.state === "not granted") {
    onSkipped?.(`"${path}" was skipped because it needs --allow-read=${path}`);
  } else if (result.state !== "absent") {
    onWarning?.(`Cannot read the credentials in "${path}": ${result.why}`);
  }
  return undefined;
}
