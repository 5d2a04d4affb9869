import type { RegistriesConf } from "../remote_client_options.ts";
import { isGranted, readGrantedEnvironment, readUserFile } from "./user_file.ts";

/** Options for {@linkcode readRegistriesConf}. */
export interface ReadRegistriesConfOptions {
  /**
   * Reads an environment variable; returns `undefined` for one that is not set.
   *
   * @default The environment of the process, without prompting for a permission.
   */
  readonly env?: ((name: string) => string | undefined) | undefined;
  /**
   * Directories with the files of the machine: the main file of an earlier one replaces that of a
   * later one, and its drop-in files override those of a later one.
   *
   * @default {["/etc/containers", "/usr/share/containers"]}
   */
  readonly directories?: readonly string[] | undefined;
  /** Called with each file that cannot be read. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Result of {@linkcode readRegistriesConf}. */
export interface ReadRegistriesConf extends RegistriesConf {
  /** Paths of the files, in the order of reading. */
  readonly files: readonly string[];
  /** Directories of drop-in files that exist. */
  readonly directories: readonly string[];
  /** Paths that may be read only with a permission, so that their files are not used. */
  readonly notGranted: readonly string[];
}

const FILE = "registries.conf";
const DIRECTORIES: readonly string[] = ["/etc/containers", "/usr/share/containers"];

/**
 * Reads the `registries.conf` files of podman, skopeo and buildah, for `registries` of
 * {@linkcode RemoteClientOptions}. Never prompts for a permission, and does not use files that need
 * one.
 *
 * If `CONTAINERS_REGISTRIES_CONF` is set, it is the path of the only file. Otherwise, the main file is
 * `$HOME/.config/containers/registries.conf`, else `/etc/containers/registries.conf`, else
 * `/usr/share/containers/registries.conf`. Drop-in files follow: those in `registries.conf.d` beside
 * each of the three, in the reverse order; only those beside the first one if that exists. In a
 * directory, the files with the extension `.conf` are read in the order of their names.
 *
 * @returns The merged content, and the names of the files.
 * @throws {RegistriesConfError} If a file is damaged; the error has its path and line.
 *
 * @example Use the mirrors of a file
 * ```ts
 * import { parseReference, readRegistriesConf, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const file = await Deno.makeTempFile();
 * await Deno.writeTextFile(file, `
 *   [[registry]]
 *   location = "example.com"
 *   [[registry.mirror]]
 *   location = "mirror.example"
 * `);
 * const env = (name: string) => name === "CONTAINERS_REGISTRIES_CONF" ? file : undefined;
 *
 * using client = new RemoteClient({ registries: () => readRegistriesConf({ env }) });
 * const endpoints = await client.endpoints(parseReference("example.com/app"));
 *
 * assertEquals(endpoints.map(({ url }) => url), [
 *   "https://mirror.example/v2/app",
 *   "https://example.com/v2/app",
 * ]);
 * await Deno.remove(file);
 * ```
 */
export async function readRegistriesConf(
  options: ReadRegistriesConfOptions = {},
): Promise<ReadRegistriesConf> {
  const { env = readGrantedEnvironment, directories = DIRECTORIES, onWarning } = options;
  const found = findFiles(env, directories, onWarning);
  const { notGranted } = found;
  const places = { directories: found.directories, notGranted };
  if (found.files.length === 0) return { rules: [], aliases: new Map(), files: [], ...places };
  const { mergeRegistriesConf, parseRegistriesConf } = await import("./registries_conf.ts");
  const files: string[] = [];
  const contents: RegistriesConf[] = [];
  for (const { path, isDropIn, isRequired } of found.files) {
    const text = await readFile(path, onWarning);
    if (text === undefined && isRequired && !exists(path)) {
      const { RegistriesConfError } = await import("../errors.ts");
      const advice = "Create the file, or unset CONTAINERS_REGISTRIES_CONF";
      throw new RegistriesConfError(path, undefined, "it does not exist", advice);
    }
    if (text === undefined) continue;
    files.push(path);
    contents.push(parseRegistriesConf(text, { file: path, isDropIn }));
  }
  return { ...mergeRegistriesConf(contents), files, ...places };
}

/** Returns whether there may be a file to read. Costs a few system calls. */
export function hasRegistriesConf(options: ReadRegistriesConfOptions = {}): boolean {
  const { env = readGrantedEnvironment, directories = DIRECTORIES } = options;
  return findFiles(env, directories).files.length > 0;
}

interface FoundFile {
  readonly path: string;
  readonly isDropIn: boolean;
  /** Whether a variable names it, so that it must exist. */
  readonly isRequired?: boolean;
}

interface Found extends Pick<ReadRegistriesConf, "directories" | "notGranted"> {
  readonly files: readonly FoundFile[];
}

function findFiles(
  env: (name: string) => string | undefined,
  directories: readonly string[],
  onWarning?: (message: string) => void,
): Found {
  const notGranted: string[] = [];
  const isUsable = (path: string) => {
    if (!isGranted({ name: "read", path })) {
      notGranted.push(path);
      return false;
    }
    return exists(path);
  };
  const home = env("HOME");
  const own = home ? `${home}/.config/containers` : undefined;
  const explicit = env("CONTAINERS_REGISTRIES_CONF");
  // The usual way to use no file. Deno guards the device, so do not open it.
  if (explicit === "/dev/null") return { files: [], directories: [], notGranted };
  const isOwn = !explicit && own !== undefined && isUsable(`${own}/${FILE}`);
  const main = explicit || (isOwn ? `${own}/${FILE}` : undefined) ||
    directories.map((directory) => `${directory}/${FILE}`).find(isUsable);
  if (explicit && !isGranted({ name: "read", path: explicit })) notGranted.push(explicit);
  const shared = isOwn ? [] : directories.toReversed();
  const places = explicit ? [] : [...shared, ...own === undefined ? [] : [own]];
  const dropInDirectories = places.map((place) => `${place}/${FILE}.d`).filter(isUsable);
  const dropIns = dropInDirectories.flatMap((directory) => listDropIns(directory, onWarning));
  return {
    files: [
      ...main === undefined || notGranted.includes(main)
        ? []
        : [{ path: main, isDropIn: false, isRequired: main === explicit }],
      ...dropIns.map((path) => ({ path, isDropIn: true })),
    ],
    directories: dropInDirectories,
    notGranted,
  };
}

function listDropIns(
  directory: string,
  onWarning: ((message: string) => void) | undefined,
): readonly string[] {
  try {
    return [...Deno.readDirSync(directory)]
      .filter(({ name, isDirectory }) => name.endsWith(".conf") && !isDirectory)
      .map(({ name }) => `${directory}/${name}`).sort();
  } catch (error) {
    onWarning?.(`Cannot read the directory "${directory}": ${reasonOf(error)}. It is not used`);
    return [];
  }
}

async function readFile(
  path: string,
  onWarning: ((message: string) => void) | undefined,
): Promise<string | undefined> {
  try {
    const bytes = await readUserFile(path);
    if (typeof bytes === "string") throw new Error(bytes);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  } catch (error) {
    // Another program removed it meanwhile.
    if (error instanceof Deno.errors.NotFound) return undefined;
    onWarning?.(`Cannot read "${path}": ${reasonOf(error)}. The file is not used`);
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return error instanceof Error ? error.message : String(error);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    // An existing file that cannot be read is worth a warning.
    return error instanceof Deno.errors.PermissionDenied;
  }
}
