import { storeDirectory, storeVariables } from "../../cache/directory.ts";
import { CredentialFiles } from "../../registry/auth/credential_files.ts";
import { findLoginFiles } from "../../registry/auth/login_directories.ts";
import { RUN_CONTAINERS } from "../../registry/auth/run_containers.ts";
import { mirrorAddresses } from "../../registry/client/mirror_addresses.ts";
import type { ReadRegistriesConf } from "../../registry/configuration/registries_files.ts";
import { replacingHosts } from "../../registry/configuration/registry_rules.ts";
import type { ImagePullPolicy } from "../../registry/image_client.ts";
import { parseImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import { dirname } from "../../spec/paths.ts";
import { credentialHelpers } from "./_credential_helpers.ts";
import { Grants } from "./_grants.ts";
import {
  type DirectoryUse,
  grantCertificates,
  grantDemo,
  grantDirectories,
  grantMachine,
} from "./_machine_grants.ts";
import { registryHosts } from "./_registry_hosts.ts";

/** A command of the command line, for {@linkcode permissionFlags}. */
export type PermissionCommand =
  | "artifact"
  | "bundle"
  | "cat"
  | "catalog"
  | "completions"
  | "copy"
  | "delete"
  | "demo"
  | "digest"
  | "doctor"
  | "export"
  | "fsck"
  | "images"
  | "inspect"
  | "load"
  | "login"
  | "logout"
  | "ls"
  | "permissions"
  | "pull"
  | "prune"
  | "push"
  | "rm"
  | "run"
  | "save"
  | "serve"
  | "tag"
  | "tags"
  | "unbundle"
  | "unpack"
  | "version";

/**
 * Options for {@linkcode permissionFlags}: the options of the command that affect its permissions.
 */
export interface PermissionOptions {
  /**
   * Directory of the store.
   *
   * @default The result of {@linkcode storeDirectory}.
   */
  readonly store?: string | undefined;
  /** Pull policy; `"Never"` needs no access to the registry. */
  readonly pullPolicy?: ImagePullPolicy | undefined;
  /**
   * Whether `pull` extracts the layers as well.
   *
   * @default {false}
   */
  readonly unpack?: boolean | undefined;
  /**
   * Whether `rm` prunes the store as well.
   *
   * @default {false}
   */
  readonly prune?: boolean | undefined;
  /** File that `export` writes, or target directory of `unpack` and `bundle`. */
  readonly output?: string | undefined;
  /**
   * Address on which `serve` listens, as `HOST:PORT`.
   *
   * @default {"127.0.0.1:5000"}
   */
  readonly listen?: string | undefined;
  /**
   * Whether `serve` refuses pushes.
   *
   * @default {false}
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Whether `save` writes a layout directory rather than a file.
   *
   * @default {false}
   */
  readonly isLayout?: boolean | undefined;
  /** Registry that `serve` proxies, as written in references. */
  readonly proxy?: string | undefined;
  /** Target of `copy` and `push`, if it is not among the references. */
  readonly target?: string | undefined;
  /** URLs of mirrors, by the registry that they mirror. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * The `registries.conf` files that the command reads.
   *
   * @default None.
   */
  readonly registries?: ReadRegistriesConf | undefined;
  /** Files named on the command line: certificates, keys, passwords. */
  readonly files?: readonly string[] | undefined;
  /** Names of environment variables that are passed to a container unchanged. */
  readonly variables?: readonly string[] | undefined;
  /**
   * Kind of bundler; `"uncompressed"` mounts nothing.
   *
   * @default {"auto"}
   */
  readonly bundler?: "auto" | "overlay" | "uncompressed" | undefined;
  /**
   * Runtime that `run` uses.
   *
   * @default Any runtime that `run` looks for.
   */
  readonly runtime?: string | undefined;
  /**
   * Files that may hold credentials.
   *
   * @default The files of docker and podman, as set in the environment.
   */
  readonly credentialPaths?: readonly string[] | undefined;
  /**
   * Directories with certificates for registries.
   *
   * @default The directories of docker and podman, as set in the environment.
   */
  readonly certificatePaths?: readonly string[] | undefined;
  /** File that `login` and `logout` change instead of those of docker and podman. */
  readonly authfile?: string | undefined;
  /**
   * Whether `login` only looks for a credential.
   *
   * @default {false}
   */
  readonly get?: boolean | undefined;
  /**
   * Directory of the modules of the command line, which loading a command reads.
   *
   * @default None, as for modules that come from a registry.
   */
  readonly modules?: string | undefined;
}

/** Resources that a command uses in addition to those in its arguments. */
interface Needs {
  readonly store?: "read" | "write";
  readonly registry?: true;
  readonly credentials?: true;
  readonly directories?: DirectoryUse;
}

/** Needs of commands that download images into the store. */
const IMAGE_NEEDS: Needs = { store: "write", registry: true, credentials: true };

const COMMANDS: Readonly<Record<PermissionCommand, Needs>> = {
  artifact: IMAGE_NEEDS,
  bundle: { ...IMAGE_NEEDS, directories: "bundle" },
  cat: IMAGE_NEEDS,
  catalog: { registry: true, credentials: true },
  completions: {},
  copy: { registry: true, credentials: true },
  delete: { registry: true, credentials: true },
  demo: {},
  digest: { registry: true, credentials: true },
  doctor: { store: "write", credentials: true },
  export: IMAGE_NEEDS,
  fsck: { store: "write", registry: true, credentials: true },
  images: { store: "read" },
  inspect: { store: "read", registry: true, credentials: true },
  load: { store: "write" },
  login: {},
  logout: {},
  ls: IMAGE_NEEDS,
  permissions: { credentials: true },
  pull: IMAGE_NEEDS,
  // A dead bundle may be in any directory; its mounts and its container are removed too.
  prune: { store: "write", directories: "unbundle" },
  push: { store: "write", registry: true, credentials: true },
  rm: { store: "write" },
  run: { ...IMAGE_NEEDS, directories: "run" },
  save: IMAGE_NEEDS,
  serve: { store: "write" },
  tag: { registry: true, credentials: true },
  tags: { registry: true, credentials: true },
  unbundle: { store: "write", directories: "unbundle" },
  unpack: { ...IMAGE_NEEDS, directories: "unpack" },
  version: {},
};

/** Other commands that read `registries.conf` files. */
const MIRROR_COMMANDS: readonly PermissionCommand[] = ["doctor", "login", "permissions", "rm"];

/** Variables that locate `registries.conf` files; see {@linkcode readRegistriesConf}. */
const REGISTRIES_VARIABLES: readonly string[] = ["CONTAINERS_REGISTRIES_CONF", "HOME"];

/** Variables that locate credential files; see {@linkcode CredentialFiles}. */
const CREDENTIAL_VARIABLES: readonly string[] = [
  "REGISTRY_AUTH_FILE",
  "DOCKER_CONFIG",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "HOME",
  "USERPROFILE",
];

/**
 * Returns the minimal flags of `deno run` that a command needs.
 *
 * The hosts are the registry and, for large public registries, their token servers and blob
 * storage. Another registry may need more hosts; an error then names the missing one. Credential
 * files are read to know which helpers may be run, as far as they may be read.
 *
 * @param command The command.
 * @param references One or several references that the command uses. Without a reference, a command
 * that needs a registry may reach any.
 * @param options Options of the command, such as store and mirrors.
 * @returns The flags, not quoted for a shell.
 * @throws {RangeError} If the command is unknown.
 * @throws {SyntaxError} If a reference is invalid.
 */
export async function permissionFlags(
  command: PermissionCommand,
  references: Reference | string | readonly (Reference | string)[] = [],
  options: PermissionOptions = {},
): Promise<readonly string[]> {
  if (!Object.hasOwn(COMMANDS, command)) {
    throw new RangeError(
      `Cannot tell the permissions of "${command}": it must be one of ` +
        Object.keys(COMMANDS).join(", "),
    );
  }
  const { files = [], variables = [], pullPolicy, unpack = false, prune = false } = options;
  const used = unpack ? "unpack" : prune ? "unbundle" : undefined;
  const { store, registry, credentials, directories = used } = COMMANDS[command];
  const grants = new Grants();
  grants.add("read", ...files);
  grants.add("env", ...variables);
  const isServed = command === "serve" && options.readOnly === true;
  if (store !== undefined) grantStore(grants, isServed ? "read" : store, options);
  if (command === "copy" && options.store !== undefined) grantStore(grants, "write", options);
  const registries = registriesOf(grants, [references].flat(), options);
  const isAsked = pullPolicy !== "Never" && registries?.length !== 0;
  if (credentials && isAsked) await grantCredentials(grants, registry && registries, options);
  if (registry && isAsked) grantHosts(grants, registries, options);
  if (registry || MIRROR_COMMANDS.includes(command) || options.proxy !== undefined) {
    grantRegistriesConf(grants, options);
  }
  if (command === "login" || command === "logout") {
    await grantLogin(grants, command, registries, options);
  }
  if (directories !== undefined) await grantDirectories(grants, directories, options);
  if (command === "export" || command === "save") grantFile(grants, options);
  if (command === "artifact") grantArtifact(grants, [references].flat(), options);
  if (command === "serve") grants.add("net", options.listen ?? "127.0.0.1:5000");
  if (command === "serve" && options.proxy !== undefined) {
    await grantCredentials(grants, [options.proxy], options);
    grantHosts(grants, [options.proxy], options);
  }
  if (command === "demo") grantDemo(grants);
  if (command === "doctor") {
    grantMachine(grants);
    grantCertificates(grants, options.certificatePaths);
  }
  // Its output for other commands depends on these variables.
  if (command === "permissions") grants.add("env", ...storeVariables(), "PATH", "TMPDIR");
  if (options.modules !== undefined) grants.add("read", options.modules);
  return grants.flags();
}

function grantStore(grants: Grants, access: "read" | "write", options: PermissionOptions): void {
  const { store = storeDirectory() } = options;
  grants.add("read", store);
  if (access === "write") grants.add("write", store);
  // The store must belong to this user.
  grants.add("sys", "uid");
  if (options.store === undefined) grants.add("env", ...storeVariables());
}

/** Returns the registries of references; `undefined` if any registry may be used. */
function registriesOf(
  grants: Grants,
  references: readonly (Reference | string)[],
  options: PermissionOptions,
): readonly string[] | undefined {
  const { target } = options;
  if (references.length === 0 && target === undefined) return undefined;
  return [...references, ...grantTarget(grants, target)].flatMap((reference) => {
    if (typeof reference !== "string") return [reference.registry];
    const location = parseImageLocation(reference);
    if (location.transport === "docker") return [location.reference.registry];
    // Compressed archives and those from stdin are copied into the store first.
    if (location.transport !== "oci") grantStore(grants, "write", options);
    // Whether another user can replace files of a layout while they are opened.
    else grants.add("sys", "uid");
    if (location.path !== "-" || location.transport === "oci") grants.add("read", location.path);
    return [];
  });
}

/** Grants writing to a local target, or returns the registry of a remote one. */
function grantTarget(grants: Grants, target: string | undefined): readonly string[] {
  const location = target === undefined ? undefined : parseImageLocation(target);
  if (target === undefined || location === undefined) return [];
  if (location.transport === "docker") return [target];
  // Unless it goes to stdout, an archive is written to a temporary file in the same directory
  // first.
  if (location.transport === "oci") grants.add("write", location.path);
  else if (location.path !== "-") grants.addFiles(dirname(location.path));
  return location.transport === "oci" ? [target] : [];
}

async function grantCredentials(
  grants: Grants,
  registries: readonly string[] = [],
  options: PermissionOptions,
): Promise<void> {
  const { credentialPaths = new CredentialFiles().paths } = options;
  grants.add("read", ...credentialPaths);
  if (credentialPaths.some((path) => path.startsWith(RUN_CONTAINERS))) grants.add("sys", "uid");
  if (options.credentialPaths === undefined) grants.add("env", ...CREDENTIAL_VARIABLES);
  const hosts = registries.flatMap((registry) => [registry, ...mirrorHosts(registry, options)]);
  for (const host of hosts) grants.add("run", ...await credentialHelpers(credentialPaths, host));
}

/** Grants changing credential files. Includes their directories, since the files are replaced. */
async function grantLogin(
  grants: Grants,
  command: "login" | "logout",
  registries: readonly string[] | undefined,
  options: PermissionOptions,
): Promise<void> {
  const { authfile, get = false } = options;
  if (get) {
    const credentialPaths = authfile === undefined ? options.credentialPaths : [authfile];
    return await grantCredentials(grants, registries, { ...options, credentialPaths });
  }
  const { paths, directories } = await findLoginFiles(command, authfile);
  grants.addFiles(...directories);
  if (paths.some((path) => path.startsWith(RUN_CONTAINERS))) grants.add("sys", "uid");
  if (authfile === undefined) grants.add("env", ...CREDENTIAL_VARIABLES);
  const hosts = registries ?? [undefined];
  for (const host of hosts) grants.add("run", ...await credentialHelpers(paths, host));
  if (command === "login") grantHosts(grants, registries, options);
}

function grantHosts(
  grants: Grants,
  registries: readonly string[] | undefined,
  options: PermissionOptions,
): void {
  grantCertificates(grants, options.certificatePaths);
  if (registries === undefined) return grants.addWhole("net");
  for (const registry of registries) {
    grants.add("net", ...registryHosts(registry), ...mirrorHosts(registry, options));
  }
}

function mirrorHosts(
  registry: string,
  { mirrors = {}, registries }: PermissionOptions,
): readonly string[] {
  const replacing = registries === undefined ? [] : replacingHosts(registries, registry);
  return [
    ...mirrorAddresses(registry, mirrors).map((url) => new URL(url).host),
    ...replacing.flatMap(registryHosts),
  ];
}

/** Grants reading the `registries.conf` files that exist or may exist. */
function grantRegistriesConf(grants: Grants, { registries }: PermissionOptions): void {
  if (registries === undefined) return;
  const { files, directories, notGranted } = registries;
  const paths = [...files, ...directories, ...notGranted];
  grants.add("read", ...paths);
  if (paths.length > 0) grants.add("env", ...REGISTRIES_VARIABLES);
}

/** Grants pulling an artifact into a directory or pushing one to a local target. */
function grantArtifact(
  grants: Grants,
  references: readonly (Reference | string)[],
  { output }: PermissionOptions,
): void {
  if (output !== undefined) return grants.addFiles(output);
  const [target] = references;
  if (typeof target !== "string") return;
  const location = parseImageLocation(target);
  if (location.transport === "docker") return;
  const { transport, path } = location;
  grants.addFiles(transport === "oci" ? path : dirname(path));
}

/** Grants writing the output, which goes to a temporary file in the same directory first. */
function grantFile(grants: Grants, { output, isLayout = false }: PermissionOptions): void {
  if (output === undefined || output === "-") return;
  grants.addFiles(isLayout ? output : dirname(output));
}
