import {
  type EnvironmentReader,
  homePath,
  isGranted,
  readGrantedEnvironment,
  statGranted,
} from "../../spec/granted.ts";
import type {
  CertificateFindOptions,
  CertificateStore,
  ClientCertificate,
  HostCertificates,
} from "../credentials.ts";
import { skippedVariables } from "../credentials/credential_paths.ts";
import { DOCKER_HUB, DOCKER_HUB_HOST } from "../reference.ts";
import { certificateProblem, readAuthorities, readPair } from "./certificate_files.ts";

/** Variables that locate the directories with certificates. */
export const CERTIFICATE_VARIABLES: readonly string[] = ["XDG_CONFIG_HOME", "HOME", "USERPROFILE"];

/** Options for {@linkcode CertificateDirectories}. */
export interface CertificateDirectoriesOptions {
  /**
   * Paths of the directories that contain one directory for each host.
   *
   * By default, those of docker and podman; see {@linkcode CertificateDirectories}.
   */
  readonly paths?: readonly string[] | undefined;
  /**
   * Reads the environment variables that name the directories.
   *
   * By default, it reads the environment as far as permissions allow, without prompting.
   */
  readonly env?: (name: string) => string | undefined;
}

/**
 * The certificates of docker and podman for hosts.
 *
 * The directories are `$XDG_CONFIG_HOME/containers/certs.d`, `~/.config/containers/certs.d`,
 * `~/.docker/certs.d`, `/etc/containers/certs.d` and `/etc/docker/certs.d`, in this order. As in
 * podman, only the first one that contains a directory `HOST:PORT`, or `HOST` for port 443, is
 * used. Docker Hub is `docker.io`. The files in it are:
 *
 * - `*.crt`: authorities to trust in addition to those of Deno, in PEM;
 * - `NAME.cert` and `NAME.key`: the client certificate and its private key, in PEM. With several,
 *   the first one by name is used.
 *
 * Skips directories that do not exist, or that permissions do not allow to read. Skips invalid and
 * unreadable files with a warning. Reads the files for each search, and never prompts.
 *
 * @example Trust the authority of one registry
 * ```ts
 * import { CertificateDirectories, RemoteClient, serveRegistry } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const cert = await Deno.readTextFile("./server.crt");
 * const key = await Deno.readTextFile("./server.key");
 * await using registry = await serveRegistry(undefined, { cert, key });
 *
 * await Deno.mkdir(`./certs.d/${registry.host}`, { recursive: true });
 * await Deno.copyFile("./ca.crt", `./certs.d/${registry.host}/ca.crt`);
 *
 * using client = new RemoteClient({
 *   certificates: new CertificateDirectories({ paths: ["./certs.d"] }),
 * });
 * assertEquals(await Array.fromAsync(client.repositories(registry.host)), []);
 * ```
 */
export class CertificateDirectories implements CertificateStore {
  readonly #paths: readonly string[] | undefined;
  readonly #env: (name: string) => string | undefined;
  /** Whether the environment of the process leads to the directories. */
  readonly #usesProcess: boolean;

  /** Creates the store without reading any file. */
  constructor(options: CertificateDirectoriesOptions = {}) {
    const { paths, env = readGrantedEnvironment } = options;
    this.#paths = paths;
    this.#env = env;
    this.#usesProcess = paths === undefined && options.env === undefined;
  }

  /** Paths to search, in order; they may not exist. */
  get paths(): readonly string[] {
    return this.#paths ?? certificatePaths(this.#env);
  }

  /** Reads the certificates for a host; see {@linkcode CertificateStore.find}. */
  async find(
    host: string,
    { onWarning = () => {} }: CertificateFindOptions = {},
  ): Promise<HostCertificates | undefined> {
    const names = directoryNames(host);
    const directory = this.paths.flatMap((path) => names.map((name) => `${path}/${name}`))
      .find((path) => statGranted(path)?.isDirectory);
    if (directory !== undefined) return await readDirectory(directory, onWarning);
    const skipped = this.#skipped(host);
    return skipped.length === 0 ? undefined : { skipped };
  }

  /** Describes the places for a host that this process has no permission to search. */
  #skipped(host: string): readonly string[] {
    const variables = this.#usesProcess ? skippedVariables(CERTIFICATE_VARIABLES) : undefined;
    const paths = this.paths.filter((path) => {
      return !isGranted({ name: "read", path: `${path}/${host}` });
    });
    return [
      ...paths.length === 0
        ? []
        : [`directories were skipped because they need --allow-read=${paths.join(",")}`],
      ...variables === undefined ? [] : [variables],
    ];
  }
}

/** Returns the names of the directories for a host: those that users write in references. */
function directoryNames(host: string): readonly string[] {
  const names = host === DOCKER_HUB_HOST ? [DOCKER_HUB, host] : [host];
  return /:[0-9]+$/.test(host) ? names : [...names, `${host}:443`];
}

async function readDirectory(
  directory: string,
  onWarning: (message: string) => void,
): Promise<HostCertificates> {
  const skip = (name: string, cause: unknown) => {
    onWarning(`Cannot use "${directory}${name}": ${certificateProblem(cause)}`);
  };
  let names: readonly string[];
  try {
    names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
  } catch (error) {
    skip("", error);
    return {};
  }
  const caCerts: string[] = [];
  let clientCertificate: ClientCertificate | undefined;
  for (const name of names) {
    try {
      if (name.endsWith(".crt")) caCerts.push(await readAuthorities(`${directory}/${name}`));
      if (name.endsWith(".key")) requireCertificate(name, names);
      if (!name.endsWith(".cert")) continue;
      const pair = await readPairIn(`${directory}/${name}`, names);
      if (clientCertificate !== undefined) {
        throw new Error("the directory already has another client certificate");
      }
      clientCertificate = pair;
    } catch (error) {
      skip(`/${name}`, error);
    }
  }
  return { caCerts, clientCertificate };
}

/** Reads a client certificate and its key in the same directory. */
async function readPairIn(path: string, names: readonly string[]): Promise<ClientCertificate> {
  const keyPath = path.replace(/cert$/, "key");
  const keyName = keyPath.slice(keyPath.lastIndexOf("/") + 1);
  if (!names.includes(keyName)) {
    throw new Error(`there is no "${keyName}". Authorities need the extension .crt`);
  }
  return await readPair(path, keyPath);
}

function requireCertificate(name: string, names: readonly string[]): void {
  const wanted = name.replace(/key$/, "cert");
  if (!names.includes(wanted)) throw new Error(`there is no "${wanted}"`);
}

/** Returns the directories with certificates of podman and docker, in order of precedence. */
export function certificatePaths(env: EnvironmentReader): readonly string[] {
  const home = homePath(env);
  const config = env("XDG_CONFIG_HOME");
  const paths = [
    ...config ? [`${config}/containers`] : [],
    // Podman searches it regardless of the variable.
    ...home ? [`${home}/.config/containers`, `${home}/.docker`] : [],
    "/etc/containers",
    "/etc/docker",
  ];
  return [...new Set(paths.map((path) => `${path}/certs.d`))];
}
