import { CredentialFiles } from "../registry/credential_files.ts";
import { parseImageLocation } from "../registry/image_location.ts";
import type { Reference } from "../registry/reference.ts";
import { PROGRAM_PLACES, RUNTIMES } from "../store/find_runtime.ts";
import { credentialHelpers } from "./_credential_helpers.ts";
import { registryHosts } from "./_registry_hosts.ts";
import { storeDirectory, storeVariables } from "./directory.ts";

/** A command of the command line, for {@linkcode permissionFlags}. */
export type PermissionCommand =
  | "bundle"
  | "cat"
  | "completions"
  | "demo"
  | "digest"
  | "doctor"
  | "export"
  | "images"
  | "inspect"
  | "ls"
  | "permissions"
  | "pull"
  | "rm"
  | "run"
  | "serve"
  | "tags"
  | "unbundle"
  | "unpack"
  | "version";

/** Options for {@linkcode permissionFlags}. */
export interface PermissionOptions {
  /**
   * The directory of the store.
   *
   * @default What {@linkcode storeDirectory} says.
   */
  readonly store?: string;
  /**
   * Where `serve` listens, `HOST:PORT`.
   *
   * @default {"127.0.0.1:5000"}
   */
  readonly listen?: string;
  /** URLs of mirrors, by the registry that they mirror. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Files that the command line names: certificates, keys, passwords. */
  readonly files?: readonly string[];
  /**
   * The files that may hold credentials.
   *
   * @default Those of docker and podman, as the environment has them.
   */
  readonly credentialPaths?: readonly string[];
}

/** What a command touches beside what its arguments name. */
interface Needs {
  readonly store?: "read" | "write";
  readonly registry?: true;
  readonly credentials?: true;
  /** Whether it makes or removes directories that hold whatever an image has. */
  readonly directories?: true;
  /** Programs that it runs, beside mounting. */
  readonly programs?: readonly string[];
  /** Whether it looks at the machine. */
  readonly machine?: true;
}

/** What mounts and unmounts for ordinary users. */
const BUNDLE_PROGRAMS: readonly string[] = ["fuse-overlayfs", "fusermount3", "fusermount"];

/** What brings an image into the store needs. */
const IMAGE_NEEDS: Needs = { store: "write", registry: true, credentials: true };

const COMMANDS: Readonly<Record<PermissionCommand, Needs>> = {
  bundle: { ...IMAGE_NEEDS, directories: true, programs: BUNDLE_PROGRAMS },
  cat: IMAGE_NEEDS,
  completions: {},
  demo: {},
  digest: { registry: true, credentials: true },
  doctor: { store: "write", credentials: true, machine: true },
  export: IMAGE_NEEDS,
  images: { store: "read" },
  inspect: { store: "read", registry: true, credentials: true },
  ls: IMAGE_NEEDS,
  permissions: { credentials: true },
  pull: IMAGE_NEEDS,
  rm: { store: "write" },
  run: { ...IMAGE_NEEDS, directories: true, programs: [...RUNTIMES, ...BUNDLE_PROGRAMS] },
  serve: { store: "read" },
  tags: { registry: true, credentials: true },
  unbundle: { directories: true, programs: [...RUNTIMES, ...BUNDLE_PROGRAMS] },
  unpack: { ...IMAGE_NEEDS, directories: true },
  version: {},
};

/** Where credentials are found; see {@linkcode CredentialFiles}. */
const CREDENTIAL_VARIABLES: readonly string[] = [
  "REGISTRY_AUTH_FILE",
  "DOCKER_CONFIG",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "HOME",
  "USERPROFILE",
];

/** Sets of permissions, by the flag that grants them; `true` stands for all of a kind. */
interface Grants {
  readonly net: Set<string> | true;
  readonly read: Set<string>;
  readonly write: Set<string>;
  readonly env: Set<string>;
  readonly run: Set<string>;
}

/**
 * The least flags of `deno run` that serve a command.
 *
 * Hosts are those of the registry and, where it is one of the large public ones, of its token
 * servers and of where its blobs lie; another registry may need more, and the error then names
 * it. Credential files are read to know which helpers may be run, as far as they may be read.
 *
 * @param command The command.
 * @param reference What it works on; without, a command that needs a registry may reach any.
 * @param options Store, mirrors and the like, as the command will be given them.
 * @returns The flags, not quoted for a shell.
 * @throws {RangeError} If there is no such command.
 * @throws {SyntaxError} If `reference` is not one.
 *
 * @example What a pull needs
 * ```ts
 * import { permissionFlags } from "@x/oci/cache";
 * import { assertEquals } from "@std/assert";
 *
 * const flags = await permissionFlags("pull", "ghcr.io/owner/app", {
 *   store: "/var/lib/oci",
 *   credentialPaths: ["/root/.docker/config.json"],
 * });
 *
 * assertEquals(flags[0], "--allow-net=ghcr.io,pkg-containers.githubusercontent.com");
 * assertEquals(flags[1], "--allow-read=/var/lib/oci,/root/.docker/config.json");
 * assertEquals(flags[2], "--allow-write=/var/lib/oci");
 * ```
 */
export async function permissionFlags(
  command: PermissionCommand,
  reference?: Reference | string,
  options: PermissionOptions = {},
): Promise<readonly string[]> {
  if (!Object.hasOwn(COMMANDS, command)) {
    throw new RangeError(
      `Cannot tell the permissions of "${command}": it must be one of ` +
        Object.keys(COMMANDS).join(", "),
    );
  }
  const needs = COMMANDS[command];
  const grants = {
    net: new Set<string>(),
    read: new Set(options.files),
    write: new Set<string>(),
    env: new Set<string>(),
    run: new Set<string>(),
  };
  if (needs.store !== undefined) grantStore(grants, needs.store, options);
  if (command === "permissions") storeVariables().forEach((name) => grants.env.add(name));
  const registry = grantSource(grants, reference);
  if (needs.credentials) await grantCredentials(grants, registry, needs, options);
  if (command === "serve") grants.net.add(options.listen ?? "127.0.0.1:5000");
  if (command === "demo") grantDemo(grants);
  if (needs.machine) return [...flags(grantMachine(grants)), ...MACHINE_FLAGS];
  const more = needs.directories ? grantDirectories(grants, needs.programs) : [];
  if (!needs.registry || registry === "none") return [...flags(grants), ...more];
  if (registry === undefined) return [...flags({ ...grants, net: true }), ...more];
  for (const host of registryHosts(registry)) grants.net.add(host);
  for (const url of options.mirrors?.[registry] ?? []) grants.net.add(new URL(url).host);
  return [...flags(grants), ...more];
}

type ListedGrants = Grants & { readonly net: Set<string> };

function grantStore(
  grants: ListedGrants,
  access: "read" | "write",
  options: PermissionOptions,
): void {
  const { store = storeDirectory() } = options;
  grants.read.add(store);
  if (access === "write") grants.write.add(store);
  if (options.store === undefined) storeVariables().forEach((name) => grants.env.add(name));
}

/** The registry of a reference; `"none"` if it is somewhere else, `undefined` if it is open. */
function grantSource(
  grants: ListedGrants,
  reference: Reference | string | undefined,
): string | undefined {
  if (typeof reference !== "string") return reference?.registry;
  const location = parseImageLocation(reference);
  if (location.transport === "docker") return location.reference.registry;
  grants.read.add(location.path);
  return "none";
}

async function grantCredentials(
  grants: ListedGrants,
  registry: string | undefined,
  needs: Needs,
  options: PermissionOptions,
): Promise<void> {
  if (registry === "none") return;
  const { credentialPaths = new CredentialFiles().paths } = options;
  credentialPaths.forEach((path) => grants.read.add(path));
  if (options.credentialPaths === undefined) {
    CREDENTIAL_VARIABLES.forEach((name) => grants.env.add(name));
  }
  if (!needs.registry || registry === undefined) return;
  const helpers = await credentialHelpers(credentialPaths, registry);
  helpers.forEach((program) => grants.run.add(program));
}

/**
 * An image may hold links, which need the whole kind, and mounting is a call of the C library:
 * returns the flags that no list narrows.
 */
function grantDirectories(
  grants: ListedGrants,
  programs: readonly string[] | undefined,
): readonly string[] {
  grants.read.clear();
  grants.write.clear();
  const directories = ["--allow-read", "--allow-write", "--allow-sys=uid,gid"];
  if (programs === undefined) return directories;
  programs.forEach((program) => grants.run.add(program));
  // Where programs are, and where temporary files go.
  ["PATH", "TMPDIR"].forEach((name) => grants.env.add(name));
  return [...directories, "--allow-ffi"];
}

/** What says which machine and which user this is, and what mounts. */
const MACHINE_FLAGS: readonly string[] = ["--allow-sys=uid,gid,osRelease,statfs", "--allow-ffi"];

/** What tells of mirrors, and of the ids that a user has. */
const MACHINE_FILES: readonly string[] = [
  "/etc/containers/registries.conf",
  "/etc/docker/daemon.json",
  "/etc/passwd",
  "/etc/subgid",
  "/etc/subuid",
];

/** Looks for programs wherever they may be, and runs those that containers need. */
function grantMachine(grants: ListedGrants): ListedGrants {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "PATH" });
  const path = (state === "granted" && Deno.env.get("PATH")) || "";
  const places = [...path.split(":").filter(Boolean), ...PROGRAM_PLACES];
  [...places, ...MACHINE_FILES].forEach((name) => grants.read.add(name));
  [...RUNTIMES, ...BUNDLE_PROGRAMS, "unshare"].forEach((program) => grants.run.add(program));
  grants.env.add("PATH");
  return grants;
}

/** The demo serves itself, and keeps a store where temporary files are. */
function grantDemo(grants: ListedGrants): void {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "TMPDIR" });
  const directory = (state === "granted" && Deno.env.get("TMPDIR")) || "/tmp";
  grants.net.add("127.0.0.1");
  grants.read.add(directory);
  grants.write.add(directory);
}

function flags({ net, ...lists }: Grants): readonly string[] {
  // Deno lets nobody with less than all permissions read or write there.
  const guarded = [...lists.read, ...lists.write].some((path) => /^\/(dev|proc|sys)\//.test(path));
  if (guarded) return ["--allow-all"];
  return [
    ...(net === true ? ["--allow-net"] : flag("net", net)),
    ...Object.entries(lists).flatMap(([kind, values]) => flag(kind, values)),
  ];
}

/** Deno knows no way to write a comma in a list: the whole kind it is then. */
function flag(kind: string, values: ReadonlySet<string>): readonly string[] {
  if (values.size === 0) return [];
  const list = [...values];
  return list.some((value) => value.includes(","))
    ? [`--allow-${kind}`]
    : [`--allow-${kind}=${list.join(",")}`];
}
