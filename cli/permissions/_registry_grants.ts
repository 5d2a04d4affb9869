import { CredentialFiles } from "../../registry/auth/credential_files.ts";
import { findLoginFiles } from "../../registry/auth/login_directories.ts";
import { RUN_CONTAINERS } from "../../registry/auth/run_containers.ts";
import { mirrorAddresses } from "../../registry/client/mirror_addresses.ts";
import { replacingHosts } from "../../registry/configuration/registry_rules.ts";
import { credentialHelpers } from "./_credential_helpers.ts";
import type { Grants } from "./_grants.ts";
import { grantCertificates } from "./_machine_grants.ts";
import { registryHosts } from "./_registry_hosts.ts";
import type { PermissionOptions } from "./permission_options.ts";

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

/** Grants reading the credentials for registries, and running their helpers. */
export async function grantCredentials(
  grants: Grants,
  registries: readonly string[] | undefined,
  options: PermissionOptions,
): Promise<void> {
  const { credentialPaths = new CredentialFiles().paths } = options;
  grants.add("read", ...credentialPaths);
  if (credentialPaths.some((path) => path.startsWith(RUN_CONTAINERS))) grants.add("sys", "uid");
  if (options.credentialPaths === undefined) grants.add("env", ...CREDENTIAL_VARIABLES);
  const hosts = (registries ?? []).flatMap((
    registry,
  ) => [registry, ...mirrorHosts(registry, options)]);
  for (const host of hosts) grants.add("run", ...await credentialHelpers(credentialPaths, host));
}

/** Grants changing credential files. Includes their directories, since the files are replaced. */
export async function grantLogin(
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

/** Grants connecting to registries and their mirrors; to any host without a list. */
export function grantHosts(
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
export function grantRegistriesConf(grants: Grants, { registries }: PermissionOptions): void {
  if (registries === undefined) return;
  const { files, directories, notGranted } = registries;
  const paths = [...files, ...directories, ...notGranted];
  grants.add("read", ...paths);
  if (paths.length > 0) grants.add("env", ...REGISTRIES_VARIABLES);
}
