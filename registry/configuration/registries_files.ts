import {
  type EnvironmentReader,
  homePath,
  isGranted,
  readGrantedEnvironment,
} from "../../spec/granted.ts";
import type { RegistriesConf } from "../registry_rule.ts";
import type { MirrorFiles } from "./_mirror_files.ts";
import { listUserDirectory, readUserFileOrWarn } from "./user_file.ts";

/** Options for {@linkcode readRegistriesConf}. */
export interface ReadRegistriesConfOptions {
  /**
   * Reads an environment variable; returns `undefined` for one that is not set.
   *
   * By default, it reads the environment of the process, without prompting for a permission.
   */
  readonly env?: ((name: string) => string | undefined) | undefined;
  /**
   * Directories with the files of the machine. The main file of an earlier directory replaces that
   * of a later one, and its drop-in files override those of a later one.
   *
   * @default {["/etc/containers", "/usr/share/containers"]}
   */
  readonly directories?: readonly string[] | undefined;
  /**
   * Directories of containerd that have a directory for each host, in order of precedence.
   *
   * By default, those of the user, then `/etc/containerd/certs.d` and `/etc/docker/certs.d`.
   */
  readonly hostsDirectories?: readonly string[] | undefined;
  /**
   * Paths of docker's `daemon.json`; the first one that exists is used.
   *
   * By default, that of the user, then `/etc/docker/daemon.json`.
   */
  readonly daemonFiles?: readonly string[] | undefined;
  /** Called with each file that cannot be read. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Result of {@linkcode readRegistriesConf}. */
export interface ReadRegistriesConf extends RegistriesConf {
  /** Paths of the files, in the order of reading. */
  readonly files: readonly string[];
  /** Directories of drop-in files and hosts that exist. */
  readonly directories: readonly string[];
  /** Paths that are not used because the permission to read them is missing. */
  readonly notGranted: readonly string[];
  /** Files of containerd and docker that are not used for a registry, because others name it. */
  readonly unused: readonly { readonly path: string; readonly registry: string }[];
}

/** Variables that locate the files. */
export const REGISTRIES_VARIABLES: readonly string[] = [
  "CONTAINERS_REGISTRIES_CONF",
  "HOME",
  "USERPROFILE",
  "XDG_CONFIG_HOME",
];
const FILE = "registries.conf";
const DIRECTORIES: readonly string[] = ["/etc/containers", "/usr/share/containers"];

/**
 * Reads the files of podman, containerd and docker that say where images come from, for
 * `registries` of {@linkcode RemoteClientOptions}. Never prompts for a permission, and does not use
 * files that need one. For each registry, only the first of the three that names it is used.
 *
 * - `registries.conf` of podman, skopeo and buildah: mirrors, other locations, blocked registries,
 *   aliases of short names and credential helpers.
 * - `HOST/hosts.toml` of containerd and nerdctl, in `certs.d` of `$XDG_CONFIG_HOME/containerd`,
 *   `$XDG_CONFIG_HOME/docker`, `/etc/containerd` and `/etc/docker`. A directory is named `HOST`,
 *   `HOST_PORT_` or `HOST:PORT`; `_default` is for all hosts without one. Its settings apply with
 *   these differences: only a mirror that lists `push` is pushed to, and `dial_timeout` and
 *   `skip_verify` are for direct connections.
 * - `daemon.json` of docker, in `$XDG_CONFIG_HOME/docker` or `/etc/docker`: `registry-mirrors` of
 *   Docker Hub, and `insecure-registries`, whose networks apply to numeric addresses.
 *
 * If `CONTAINERS_REGISTRIES_CONF` is set, it is the path of the only file. Otherwise, the main file
 * is `~/.config/containers/registries.conf`, else `/etc/containers/registries.conf`, else
 * `/usr/share/containers/registries.conf`. Drop-in files follow: those in `registries.conf.d`
 * beside each of the three, in reverse order, or only those beside the first one if it exists. In a
 * directory, the files with the extension `.conf` are read in the order of their names.
 *
 * @returns The merged content, and the names of the files.
 * @throws {RegistriesConfError} If a `registries.conf` file is damaged; the error has its path and
 * line. Damaged files of containerd and docker are skipped with a warning.
 *
 * @example Use the mirrors in a file
 * ```ts
 * import { parseReference, readRegistriesConf, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const text = `
 *   [[registry]]
 *   location = "example.com"
 *   [[registry.mirror]]
 *   location = "mirror.example"
 * `;
 * await Deno.writeTextFile("./registries.conf", text);
 * const files: Record<string, string> = { CONTAINERS_REGISTRIES_CONF: "./registries.conf" };
 *
 * const registries = await readRegistriesConf({ env: (name) => files[name] });
 * using client = new RemoteClient({ registries });
 *
 * const endpoints = await client.endpoints(parseReference("example.com/app"));
 * assertEquals(endpoints.map(({ url }) => url), [
 *   "https://mirror.example/v2/app",
 *   "https://example.com/v2/app",
 * ]);
 * ```
 */
export async function readRegistriesConf(
  options: ReadRegistriesConfOptions = {},
): Promise<ReadRegistriesConf> {
  const { env = readGrantedEnvironment, directories = DIRECTORIES, onWarning } = options;
  const found = findFiles(env, directories, onWarning);
  const others = found.isOnly ? NO_OTHERS : findMirrorFiles(env, options);
  const conf = await readConf(found.files, onWarning);
  const places = {
    directories: [...found.directories, ...others.hostsDirectories],
    notGranted: [...found.notGranted, ...others.notGranted],
  };
  if (others.hostsDirectories.length === 0 && others.daemonFile === undefined) {
    return { ...conf, ...places, unused: [] };
  }
  const { readMirrorFiles } = await import("./_mirror_files.ts");
  const read = await readMirrorFiles(others, conf.rules, (message) => onWarning?.(message));
  return {
    ...places,
    ...conf,
    rules: [...conf.rules, ...read.rules],
    files: [...conf.files, ...read.files],
    unused: read.unused,
  };
}

async function readConf(
  found: readonly FoundFile[],
  onWarning: ((message: string) => void) | undefined,
): Promise<RegistriesConf & Pick<ReadRegistriesConf, "files">> {
  if (found.length === 0) return { rules: [], aliases: new Map(), files: [] };
  const { mergeRegistriesConf, parseRegistriesConf } = await import("./registries_conf.ts");
  const files: string[] = [];
  const contents: RegistriesConf[] = [];
  for (const { path, isDropIn, isRequired } of found) {
    const bytes = await readUserFileOrWarn(path, onWarning);
    if (bytes === undefined && isRequired && !exists(path)) {
      const { RegistriesConfError } = await import("../errors.ts");
      const advice = "Create the file, or unset CONTAINERS_REGISTRIES_CONF";
      throw new RegistriesConfError(path, undefined, "it does not exist", advice);
    }
    if (bytes === undefined) continue;
    files.push(path);
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    contents.push(parseRegistriesConf(text, { file: path, isDropIn }));
  }
  return { ...mergeRegistriesConf(contents), files };
}

/** Returns the paths that {@linkcode readRegistriesConf} looks for by default. */
export function registriesPlaces(): string[] {
  const env = readGrantedEnvironment;
  const own = ownDirectory(env);
  const directories = own === undefined ? DIRECTORIES : [...DIRECTORIES, own];
  const { hosts, daemons } = mirrorPlaces(env);
  const files = directories.map((directory) => `${directory}/${FILE}`);
  return [...files, ...files.map((file) => `${file}.d`), ...hosts, ...daemons];
}

/** Returns the directory with the user's `registries.conf`. */
function ownDirectory(env: EnvironmentReader): string | undefined {
  const home = homePath(env);
  return home ? `${home}/.config/containers` : undefined;
}

/** Returns the paths of the directories and files of containerd and docker. */
function mirrorPlaces(env: EnvironmentReader): Readonly<Record<"hosts" | "daemons", string[]>> {
  const home = homePath(env);
  const own = env("XDG_CONFIG_HOME") || (home ? `${home}/.config` : undefined);
  const places = own === undefined ? ["/etc"] : [own, "/etc"];
  return {
    hosts: places.flatMap((place) => [`${place}/containerd/certs.d`, `${place}/docker/certs.d`]),
    daemons: places.map((place) => `${place}/docker/daemon.json`),
  };
}

/** Returns whether there may be a file to read. Costs a few system calls. */
export function hasRegistriesConf(options: ReadRegistriesConfOptions = {}): boolean {
  const { env = readGrantedEnvironment, directories = DIRECTORIES } = options;
  return findFiles(env, directories).files.length > 0;
}

interface FoundFile {
  readonly path: string;
  readonly isDropIn: boolean;
  /** Whether a variable names the file, so that it must exist. */
  readonly isRequired?: boolean;
}

interface Found extends Pick<ReadRegistriesConf, "directories" | "notGranted"> {
  readonly files: readonly FoundFile[];
  /** Whether a variable excludes all other files. */
  readonly isOnly: boolean;
}

function findFiles(
  env: EnvironmentReader,
  directories: readonly string[],
  onWarning?: (message: string) => void,
): Found {
  const notGranted: string[] = [];
  const isUsable = (path: string) => isUsableFile(path, notGranted);
  const own = ownDirectory(env);
  const explicit = env("CONTAINERS_REGISTRIES_CONF");
  // This is the usual way to use no file. Deno restricts access to the device, so do not open it.
  if (explicit === "/dev/null") return { files: [], directories: [], notGranted, isOnly: true };
  const isOwn = !explicit && own !== undefined && isUsable(`${own}/${FILE}`);
  const main = explicit || (isOwn ? `${own}/${FILE}` : undefined) ||
    directories.map((directory) => `${directory}/${FILE}`).find(isUsable);
  if (explicit && !isGranted({ name: "read", path: explicit })) notGranted.push(explicit);
  const shared = isOwn ? [] : directories.toReversed();
  const places = explicit ? [] : [...shared, ...own === undefined ? [] : [own]];
  const dropInDirectories = places.map((place) => `${place}/${FILE}.d`).filter(isUsable);
  const dropIns = dropInDirectories.flatMap((directory) => {
    return listUserDirectory(directory, onWarning)
      .filter(({ name, isDirectory }) => name.endsWith(".conf") && !isDirectory)
      .map(({ name }) => `${directory}/${name}`).sort();
  });
  return {
    files: [
      ...main === undefined || notGranted.includes(main)
        ? []
        : [{ path: main, isDropIn: false, isRequired: main === explicit }],
      ...dropIns.map((path) => ({ path, isDropIn: true })),
    ],
    directories: dropInDirectories,
    notGranted,
    isOnly: Boolean(explicit),
  };
}

/** Returns whether a file can be used; adds it to `notGranted` if that is unknown. */
function isUsableFile(path: string, notGranted: string[]): boolean {
  if (isGranted({ name: "read", path })) return exists(path);
  notGranted.push(path);
  return false;
}

const NO_OTHERS = { hostsDirectories: [], daemonFile: undefined, notGranted: [] } as const;

/** Finds the directories and the file of containerd and docker. */
function findMirrorFiles(
  env: EnvironmentReader,
  { hostsDirectories, daemonFiles }: ReadRegistriesConfOptions,
): MirrorFiles & Pick<ReadRegistriesConf, "notGranted"> {
  const notGranted: string[] = [];
  const { hosts, daemons } = mirrorPlaces(env);
  const isUsable = (path: string) => isUsableFile(path, notGranted);
  return {
    hostsDirectories: (hostsDirectories ?? hosts).filter(isUsable),
    daemonFile: (daemonFiles ?? daemons).find(isUsable),
    notGranted,
  };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    // The file exists. Reading it fails later, with a warning.
    return error instanceof Deno.errors.PermissionDenied;
  }
}
