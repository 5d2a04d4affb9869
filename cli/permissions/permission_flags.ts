import { storeDirectory, storeVariables } from "../../cache/directory.ts";
import { parseImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import { dirname } from "../../spec/paths.ts";
import { Grants } from "./_grants.ts";
import {
  type DirectoryUse,
  grantCertificates,
  grantDemo,
  grantDirectories,
  grantMachine,
} from "./_machine_grants.ts";
import {
  grantCredentials,
  grantHosts,
  grantLogin,
  grantRegistriesConf,
} from "./_registry_grants.ts";
import type { PermissionOptions } from "./permission_options.ts";

type StoreAccess = "read" | "write";

/** The arguments and options of a command. */
interface Usage {
  readonly references: readonly (Reference | string)[];
  readonly registries: readonly string[] | undefined;
  readonly options: PermissionOptions;
}

/** Resources that a command uses in addition to those that its arguments name. */
interface Needs {
  readonly store?: StoreAccess | ((options: PermissionOptions) => StoreAccess | undefined);
  readonly registry?: true;
  readonly credentials?: true;
  /** Whether it reads `registries.conf` files although it may use no registry. */
  readonly rules?: true;
  readonly directories?: DirectoryUse;
  /** Grants what only this command needs. */
  readonly own?: (grants: Grants, usage: Usage) => void | Promise<void>;
}

/** Needs of commands that download images into the store. */
const IMAGE_NEEDS: Needs = { store: "write", registry: true, credentials: true };

const COMMANDS: Readonly<Record<string, Needs>> = {
  artifact: { ...IMAGE_NEEDS, own: grantArtifact },
  bundle: { ...IMAGE_NEEDS, directories: "bundle" },
  cat: IMAGE_NEEDS,
  catalog: { registry: true, credentials: true },
  completions: {},
  copy: {
    store: ({ store }) => store === undefined ? undefined : "write",
    registry: true,
    credentials: true,
  },
  delete: { registry: true, credentials: true },
  demo: { own: grantDemo },
  digest: { registry: true, credentials: true },
  doctor: { store: "write", credentials: true, rules: true, own: grantDoctor },
  export: { ...IMAGE_NEEDS, own: grantFile },
  fsck: { store: "write", registry: true, credentials: true },
  images: { store: "read" },
  inspect: { store: "read", registry: true, credentials: true },
  load: { store: "write" },
  login: {
    rules: true,
    own: (grants, { registries, options }) => grantLogin(grants, "login", registries, options),
  },
  logout: {
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
  provenance: { store: "read", registry: true, credentials: true },
  // A dead bundle may be in any directory; its mounts and its container are removed too.
  prune: { store: "write", directories: "unbundle" },
  push: { store: "write", registry: true, credentials: true },
  rm: { store: "write", rules: true },
  run: { ...IMAGE_NEEDS, directories: "run" },
  save: { ...IMAGE_NEEDS, own: grantFile },
  sbom: { store: "read", registry: true, credentials: true },
  serve: { store: ({ readOnly = false }) => readOnly ? "read" : "write", own: grantServe },
  tag: { registry: true, credentials: true },
  tags: { registry: true, credentials: true },
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
 * @param references One or several references that the command uses. Without a reference, a command
 * that needs a registry may reach any.
 * @param options Options of the command, such as store and mirrors.
 * @returns The flags, not quoted for a shell.
 * @throws {RangeError} If the command is unknown.
 * @throws {SyntaxError} If a reference is invalid.
 */
export async function permissionFlags(
  command: string,
  references: Reference | string | readonly (Reference | string)[] = [],
  options: PermissionOptions = {},
): Promise<readonly string[]> {
  const needs = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (needs === undefined) {
    throw new RangeError(
      `Cannot tell the permissions of "${command}": it must be one of ` +
        Object.keys(COMMANDS).join(", "),
    );
  }
  const { files = [], variables = [], pullPolicy, unpack = false, prune = false } = options;
  const used = unpack ? "unpack" : prune ? "unbundle" : undefined;
  const { store, registry, credentials, rules, directories = used, own } = needs;
  const grants = new Grants();
  grants.add("read", ...files);
  grants.add("env", ...variables);
  const access = typeof store === "function" ? store(options) : store;
  if (access !== undefined) grantStore(grants, access, options);
  const usage = { references: [references].flat(), options };
  const registries = registriesOf(grants, usage.references, options);
  const isAsked = pullPolicy !== "Never" && registries?.length !== 0;
  if (credentials && isAsked) await grantCredentials(grants, registry && registries, options);
  if (registry && isAsked) grantHosts(grants, registries, options);
  if (registry || rules || options.proxy !== undefined) grantRegistriesConf(grants, options);
  if (directories !== undefined) grantDirectories(grants, directories, options);
  await own?.(grants, { ...usage, registries });
  if (options.modules !== undefined) grants.add("read", options.modules);
  return grants.flags();
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
function grantFile(grants: Grants, { options: { output, isLayout = false } }: Usage): void {
  if (output === undefined || output === "-") return;
  grants.addFiles(isLayout ? output : dirname(output));
}

/** Grants listening, and reaching the registry that is cached. */
async function grantServe(grants: Grants, { options }: Usage): Promise<void> {
  grants.add("net", options.listen ?? "127.0.0.1:5000");
  if (options.proxy === undefined) return;
  await grantCredentials(grants, [options.proxy], options);
  grantHosts(grants, [options.proxy], options);
}

function grantDoctor(grants: Grants, { options }: Usage): void {
  grantMachine(grants);
  grantCertificates(grants, options.certificatePaths);
}
