import { REGISTRIES_VARIABLES } from "../../registry/configuration/registries_files.ts";
import { hostFiles, replacingHosts } from "../../registry/configuration/registry_rules.ts";
import { CredentialFiles } from "../../registry/credentials/credential_files.ts";
import { normalizeCredentialKey } from "../../registry/credentials/credential_key.ts";
import {
  CREDENTIAL_VARIABLES,
  FILES_HELPER,
  helperOrder,
  helperProgram,
  loginPath,
  logoutPaths,
  podmanPaths,
  RUN_CONTAINERS,
} from "../../registry/credentials/credential_paths.ts";
import { summarizeCredentials } from "../../registry/credentials/credential_summary.ts";
import { followLinks } from "../../registry/credentials/follow_links.ts";
import { mirrorAddresses } from "../../registry/endpoints/mirror_addresses.ts";
import { isGranted, statGranted } from "../../spec/granted.ts";
import { dirname } from "../../spec/paths.ts";
import { mirrorsOf } from "../frame/options.ts";
import { grantCertificates } from "./_machine_grants.ts";
import type { Grants } from "./grants.ts";
import type { PermissionOptions } from "./permission_options.ts";

/** Grants reading the credentials for registries, and running their helpers. */
export async function grantCredentials(
  grants: Grants,
  registries: readonly string[] | undefined,
  options: PermissionOptions,
): Promise<void> {
  const { authfile } = options;
  const paths = authfile === undefined ? new CredentialFiles().paths : [authfile];
  grants.add("read", ...paths);
  if (paths.some((path) => path.startsWith(RUN_CONTAINERS))) grants.add("sys", "uid");
  if (authfile === undefined) grants.add("env", ...CREDENTIAL_VARIABLES);
  const hosts = (registries ?? []).flatMap((host) => [host, ...mirrorHosts(host, options)]);
  for (const host of hosts) grants.add("run", ...await credentialHelpers(paths, host));
  if (hosts.length > 0) grants.add("run", ...defaultHelpers(options));
}

/** Grants connecting to registries, with the credentials and mirrors for them. */
export async function grantRegistries(
  grants: Grants,
  registries: readonly string[] | undefined,
  options: PermissionOptions,
): Promise<void> {
  await grantCredentials(grants, registries, options);
  grantHosts(grants, registries, options);
  grantRegistriesConf(grants, options);
}

/** Grants changing credential files and their directories, because the files are replaced. */
export async function grantLogin(
  grants: Grants,
  command: "login" | "logout",
  registries: readonly string[] | undefined,
  options: PermissionOptions,
): Promise<void> {
  const { authfile, get = false } = options;
  if (get) return await grantCredentials(grants, registries, options);
  const paths = authfile === undefined ? loginPaths(command) : [authfile];
  // A login erases older credentials from the files that podman searches first.
  const others = command === "login" && authfile === undefined
    ? podmanPaths().filter((path) => statGranted(path)?.isFile)
    : [];
  grants.addFiles(...await directoriesOf([...paths, ...others]));
  if (paths.some((path) => path.startsWith(RUN_CONTAINERS))) grants.add("sys", "uid");
  if (authfile === undefined) grants.add("env", ...CREDENTIAL_VARIABLES);
  const hosts = registries ?? [undefined];
  for (const host of hosts) grants.add("run", ...await credentialHelpers(paths, host));
  grants.add("run", ...defaultHelpers(options));
  if (command === "login") grantHosts(grants, registries, options);
}

function loginPaths(command: "login" | "logout"): readonly string[] {
  const path = loginPath();
  return command === "logout" ? logoutPaths() : path === undefined ? [] : [path];
}

/** Returns the directories of files, and those of the targets of links. */
async function directoriesOf(paths: readonly string[]): Promise<readonly string[]> {
  const targets = await Promise.all(paths.map(async (path) => {
    return isGranted({ name: "read", path }) ? [path, await followLinks(path)] : [path];
  }));
  return [...new Set(targets.flat().map((path) => dirname(path)))];
}

/** Grants connecting to registries and their mirrors, or to any host if `registries` is absent. */
function grantHosts(
  grants: Grants,
  registries: readonly string[] | undefined,
  options: PermissionOptions,
): void {
  grantCertificates(grants);
  if (registries === undefined) return grants.addWhole("net");
  for (const registry of registries) {
    grants.add("net", ...registryHosts(registry), ...mirrorHosts(registry, options));
    if (options.registries !== undefined) {
      grants.add("read", ...hostFiles(options.registries, registry));
    }
  }
}

function mirrorHosts(
  registry: string,
  { registries, ...options }: PermissionOptions,
): readonly string[] {
  const replacing = registries === undefined ? [] : replacingHosts(registries, registry);
  return [
    ...mirrorAddresses(registry, mirrorsOf(options)).map((url) => new URL(url).host),
    ...replacing.flatMap(registryHosts),
  ];
}

/** Grants reading the files that configure mirrors: those that exist, and those that may exist. */
export function grantRegistriesConf(grants: Grants, { registries }: PermissionOptions): void {
  if (registries === undefined) return;
  const { files, directories, notGranted } = registries;
  const paths = [...files, ...directories, ...notGranted];
  grants.add("read", ...paths);
  if (paths.length > 0) grants.add("env", ...REGISTRIES_VARIABLES);
}

/**
 * Reads the programs of the helpers that credential files name. Ignores files that are missing,
 * invalid or unreadable; a pull reports them.
 *
 * @param registry Registry that the helpers are for (default: any).
 */
async function credentialHelpers(
  paths: readonly string[],
  registry?: string,
): Promise<readonly string[]> {
  const files = await Promise.all(paths.map(summarizeCredentials));
  const isFor = (key: string | undefined) => {
    return registry === undefined || key === undefined || hostOf(key) === hostOf(registry);
  };
  const programs = files.flatMap(({ helpers }) => helpers)
    .filter((helper) => isFor(helper.registry))
    .map(({ program }) => program);
  return [...new Set(programs)];
}

/** Returns the programs of the helpers that `registries.conf` files list. */
function defaultHelpers({ authfile, registries }: PermissionOptions): readonly string[] {
  if (authfile !== undefined) return [];
  return helperOrder(registries?.credentialHelpers)
    .filter((name) => name !== FILES_HELPER)
    .map((name) => helperProgram(name));
}

function hostOf(key: string): string {
  const [host = ""] = normalizeCredentialKey(key).split("/");
  return host;
}

/** Hosts to which large public registries send their clients: token servers and blob storage. */
const KNOWN: readonly (readonly [registry: RegExp, hosts: readonly string[]])[] = [
  [/^docker\.io$/, [
    "registry-1.docker.io",
    "auth.docker.io",
    "production.cloudflare.docker.com",
    "production.cloudfront.docker.com",
    "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
  ]],
  [/^ghcr\.io$/, ["pkg-containers.githubusercontent.com"]],
  [/^quay\.io$/, ["*.quay.io"]],
  [/^(?:[a-z]+\.)?gcr\.io$/, ["storage.googleapis.com"]],
  [/^registry\.k8s\.io$/, ["*.pkg.dev", "*.amazonaws.com"]],
  [/^mcr\.microsoft\.com$/, ["*.data.mcr.microsoft.com"]],
  [/^public\.ecr\.aws$/, ["*.cloudfront.net"]],
  [/\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com$/, ["*.amazonaws.com"]],
  [/\.azurecr\.io$/, ["*.data.azurecr.io", "*.blob.core.windows.net"]],
  [
    /^registry\.gitlab\.com$/,
    ["gitlab.com", "cdn.registry.gitlab-static.net", "storage.googleapis.com"],
  ],
  [/^registry\.access\.redhat\.com$/, ["*.quay.io", "*.redhat.com"]],
  [/^registry\.redhat\.io$/, ["*.quay.io", "*.redhat.com", "*.redhat.io"]],
];

/** Returns the hosts that a pull from a registry is known to connect to. */
function registryHosts(registry: string): readonly string[] {
  const others = KNOWN.flatMap(([name, hosts]) => name.test(registry) ? hosts : []);
  // "docker.io" names Docker Hub, but is not the host of its registry.
  return registry === "docker.io" ? others : [registry, ...others];
}
