/**
 * References, credentials, a client for registries that implement the OCI distribution
 * specification, and a registry to embed.
 *
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const image = await client.image(parseReference("alpine:3.20"), { platform: "linux/arm64" });
 * assertEquals(image.config.value.config.Cmd, ["/bin/sh"]);
 *
 * for (const [i, layer] of image.layers.entries()) {
 *   // The stream resumes by itself, and fails at its end if its size or digest is wrong.
 *   await Deno.writeFile(`./layer-${i}.tar.gz`, await layer.compressed());
 * }
 * ```
 *
 * Importing needs no permission. A client needs `--allow-net` for the registry, its token server
 * and redirect targets; `--allow-read` and `--allow-env` to find the credentials of docker and
 * podman; and `--allow-run=docker-credential-NAME` to run a credential helper. Without a
 * credential, access is anonymous. A client trusts the authorities that Deno trusts, which are those
 * of Mozilla, or with `DENO_TLS_CA_STORE=system` those of the system. It also trusts those in its
 * options, and with {@linkcode CertificateDirectories} those in the `certs.d` of docker and podman.
 *
 * @module
 */
export {
  CertificateDirectories,
  type CertificateDirectoriesOptions,
} from "./certificates/certificate_directories.ts";
export * from "./credentials/credential_files.ts";
export * from "./credentials/credential_summary.ts";
export * from "./certificates/read_certificates.ts";
export * from "./credentials/stored_credentials.ts";
export * from "./configuration/registries_conf.ts";
export {
  type ReadRegistriesConf,
  readRegistriesConf,
  type ReadRegistriesConfOptions,
} from "./configuration/registries_files.ts";
export { type PullSource, pullSources, resolveAlias } from "./configuration/registry_rules.ts";
export {
  authorization,
  type CertificateFindOptions,
  type CertificateStore,
  type ClientCertificate,
  type Credential,
  type CredentialFindOptions,
  type CredentialStore,
  type HostCertificates,
  type Login,
  loginOf,
} from "./credentials.ts";
export type * from "./error_fields.ts";
export * from "./errors.ts";
export * from "./host_platform.ts";
export type * from "./image_client.ts";
export {
  type ArchiveLocation,
  type DockerArchiveLocation,
  type ImageLocation,
  isArchiveLocation,
  type LayoutLocation,
  type OciArchiveLocation,
  parseImageLocation,
  type RegistryLocation,
} from "./image_location.ts";
export {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  type Repository,
} from "./reference.ts";
export type * from "./server/registry_content.ts";
export type * from "./registry_rule.ts";
export * from "./client/remote_client.ts";
export * from "./client/repository_content.ts";
export type * from "./remote_client_options.ts";
export * from "./server/memory_registry_content.ts";
export * from "./server/server.ts";
export * from "./server/basic_authentication.ts";
export * from "./server/registry_handler.ts";
export * from "./server/htpasswd.ts";
