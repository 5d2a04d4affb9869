import { storeDirectory, storeVariables } from "../../cache/store_directory.ts";
import { parseImageLocation } from "../../registry/image_location.ts";
import type { Repository } from "../../registry/reference.ts";
import { dirname } from "../../spec/paths.ts";
import { formatAddress, servesReadOnly } from "../access/address.ts";
import {
  type DirectoryUse,
  grantCertificates,
  grantDemo,
  grantDirectories,
  grantMachine,
} from "./_machine_grants.ts";
import {
  grantCredentials,
  grantLogin,
  grantRegistries,
  grantRegistriesConf,
} from "./_registry_grants.ts";
import { Grants } from "./grants.ts";
import type { PermissionOptions } from "./permission_options.ts";

type StoreAccess = "read" | "write";

/** The arguments and options of a command. */
interface Usage {
  readonly references: readonly (Repository | string)[];
  readonly registries: readonly string[] | undefined;
  readonly options: PermissionOptions;
}

/** Resources that a command uses in addition to those that its arguments name. */
interface Needs {
  readonly store?: StoreAccess | ((options: PermissionOptions) => StoreAccess | undefined);
  /** Whether it connects to registries, with the credentials for them. */
  readonly registry?: true;
  /** Whether it reads the credentials for all registries. */
  readonly credentials?: true;
  /** Whether it reads `registries.conf` files although it may use no registry. */
  readonly rules?: true;
  readonly directories?: DirectoryUse;
  /** Grants what only this command needs. */
  readonly own?: (grants: Grants, usage: Usage) => void | Promise<void>;
}

/** Needs of commands that download images into the store. */
const IMAGE_NEEDS: Needs = { store: "write", registry: true };

const COMMANDS: Readonly<Record<string, Needs>> = {
  artifact: { ...IMAGE_NEEDS, own: grantArtifact },
  bundle: { ...IMAGE_NEEDS, directories: "bundle" },
  cat: IMAGE_NEEDS,
  catalog: { registry: true },
  completions: {},
  copy: { store: ({ store }) => store === undefined ? undefined : "write", registry: true },
  delete: { registry: true },
  demo: { own: grantDemo },
  digest: { registry: true },
  doctor: { store: "write", credentials: true, rules: true, own: grantDoctor },
  export: { ...IMAGE_NEEDS, own: grantFile },
  fsck: { store: "write", own: grantRepair },
  images: { store: "read" },
  inspect: { store: "read", registry: true },
  load: { store: "write" },
  login: {
    rules: true,
    own: (grants, { registries, options }) => grantLogin(grants, "login", registries, options),
  },
  logout: {
    rules: true,
    own: (grants, { registries, options }) => grantLogin(grants, "logout", registries, options),
  },
  ls: IMAGE_NEEDS,
  permissions: {
    credentials: true,
    rules: true,
    // What it prints for other commands depends on these variables.
    own: (grants) => grants.add("env", ...storeVariables(), "PATH", "TMPDIR"),
  },
  pull: IMAGE_NEEDS,
  provenance: { store: "read", registry: true },
  // A dead bundle may be in any directory; its mounts and its container are removed too.
  prune: { store: "write", directories: "unbundle" },
  push: IMAGE_NEEDS,
  rm: { store: "write", rules: true },
  run: { ...IMAGE_NEEDS, directories: "run" },
  save: { ...IMAGE_NEEDS, own: grantFile },
  sbom: { store: "read", registry: true },
  serve: {
    store: (options) => options.proxy || !servesReadOnly(options) ? "write" : "read",
    own: grantServe,
  },
  tag: { registry: true },
  tags: { registry: true },
  unbundle: { store: "write", directories: "unbundle" },
  unpack: { ...IMAGE_NEEDS, directories: "unpack" },
  version: {},
};

/**
 * Returns the minimal flags of `deno run` that a command needs.
 *
 * The hosts are the registry and, for large public registries, their token servers and blob
 * storage. Another registry may need more hosts; an error then names the missing one. Credential
 * files are read to know which helpers may be run, as far as they may be read.
 *
 * @param references References that the command uses. Without one, a command that needs a registry
 * may reach any.
 * @param options Options and other arguments of the command.
 * @returns The flags, not quoted for a shell.
 * @throws {RangeError} If the command is unknown.
 * @throws {SyntaxError} If a reference is invalid.
 */
export async function permissionFlags(
  command: string,
  references: readonly (Repository | string)[],
  options: PermissionOptions,
): Promise<readonly string[]> {
  const needs = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (needs === undefined) {
    throw new RangeError(
      `Cannot tell the permissions of "${command}": it must be one of ` +
        Object.keys(COMMANDS).join(", "),
    );
  }
  const { policy, unpack = false, prune = false, env = [] } = options;
  const used = unpack ? "unpack" : prune ? "unbundle" : undefined;
  const { store, registry, credentials, rules, directories = used, own } = needs;
  const grants = new Grants();
  grants.add("read", ...filesOf(options));
  grants.add("env", ...env.flatMap(([name, value]) => value === undefined ? name : []));
  const access = typeof store === "function" ? store(options) : store;
  if (access !== undefined) grantStore(grants, access, options);
  const registries = registriesOf(grants, references, options);
  const isAsked = policy !== "Never" && registries?.length !== 0;
  if (registry && isAsked) await grantRegistries(grants, registries, options);
  if (credentials) await grantCredentials(grants, undefined, options);
  if (registry || rules) grantRegistriesConf(grants, options);
  if (directories !== undefined) grantDirectories(grants, directories, options);
  await own?.(grants, { references, registries, options });
  if (options.modules !== undefined) grants.add("read", options.modules);
  return grants.flags();
}

/** Returns the files that the command line names. */
function filesOf(options: PermissionOptions): readonly string[] {
  const { ca = [], clientCert, clientKey, tlsCert, tlsKey, htpasswd, verify, files = [] } = options;
  const key = verify !== undefined && "key" in verify ? verify.key : undefined;
  return [...ca, clientCert, clientKey, tlsCert, tlsKey, htpasswd, key, ...files]
    .filter((file) => file !== undefined);
}

function grantStore(grants: Grants, access: StoreAccess, options: PermissionOptions): void {
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
  references: readonly (Repository | string)[],
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
    // Opening a layout compares owners: another user might be able to replace its files.
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

/** Grants pulling an artifact into a directory or pushing one to a local target. */
function grantArtifact(grants: Grants, { references, options: { output } }: Usage): void {
  if (output !== undefined) return grants.addFiles(output);
  const [target] = references;
  if (typeof target === "string") grantTarget(grants, target);
}

/** Grants writing the output, which goes to a temporary file in the same directory first. */
function grantFile(grants: Grants, { options: { output, format } }: Usage): void {
  if (output === undefined || output === "-") return;
  grants.addFiles(format === "oci-dir" ? output : dirname(output));
}

/** Grants listening, and reaching the registry that is cached. */
async function grantServe(grants: Grants, { options }: Usage): Promise<void> {
  const { listen, proxy } = options;
  grants.add("net", listen === undefined ? "127.0.0.1:5000" : formatAddress(listen));
  if (proxy !== undefined) await grantRegistries(grants, [proxy.registry], options);
}

/** Grants fetching content again, from the registries of all names in the store. */
async function grantRepair(grants: Grants, { options }: Usage): Promise<void> {
  if (options.repair) await grantRegistries(grants, undefined, options);
}

function grantDoctor(grants: Grants): void {
  grantMachine(grants);
  grantCertificates(grants);
}
