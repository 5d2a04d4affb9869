/**
 * The two OCI specifications as types and pure functions, without access to disk or network.
 * Importing it needs no permission.
 *
 * - The image specification: digests, descriptors, manifests, configs, platforms.
 * - The runtime specification: the `config.json` of a container, made from an image's config and
 *   from options by {@linkcode newSpec}.
 *
 * ```ts
 * import { formatSpec, newSpec, parsePlatform, withArgs, withCPULimit } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const config = formatSpec(newSpec(withArgs(["/bin/app"]), withCPULimit("500m")));
 *
 * assertEquals(JSON.parse(config).linux.resources.cpu.quota, 50_000);
 * assertEquals(parsePlatform("linux/x86_64").architecture, "amd64");
 * ```
 *
 * @module
 */
export * from "./accounts.ts";
export { type CapabilityChanges, DEFAULT_CAPABILITIES, withCapabilities } from "./capabilities.ts";
export type * from "./content.ts";
export { type Descriptor, embeddedData } from "./descriptor.ts";
export {
  type Digest,
  type DigestAlgorithm,
  Digester,
  digestHex,
  digestOf,
  isDigest,
  parseDigest,
} from "./digest.ts";
export { digestAlgorithm, UnsupportedDigestError } from "./digest_algorithm.ts";
export { DEFAULT_PATH, withEnv } from "./environment.ts";
export * from "./errors.ts";
export * from "./filesystem_options.ts";
export type * from "./image.ts";
export * from "./image_annotations.ts";
export * from "./image_config.ts";
export * from "./image_options.ts";
export * from "./layer_type.ts";
export * from "./manifest.ts";
export * from "./media_types.ts";
export * from "./namespace_options.ts";
export * from "./new_spec.ts";
export {
  cpuVariant,
  formatPlatform,
  parsePlatform,
  type Platform,
  variantLevel,
} from "./platform.ts";
export * from "./platform_by_config.ts";
export { choosePlatform, isRunnable, platformFit } from "./platform_choice.ts";
export * from "./process_options.ts";
export * from "./quantity.ts";
export * from "./read_bytes.ts";
export * from "./resource_options.ts";
export * from "./rootless_option.ts";
export type * from "./runtime_linux.ts";
export type * from "./runtime_process.ts";
export type * from "./runtime_resources.ts";
export type * from "./runtime_seccomp.ts";
export * from "./runtime_spec.ts";
export * from "./seccomp_profile.ts";
export type * from "./spec_option.ts";
export * from "./sub_ids.ts";
export * from "./user.ts";
export * from "./user_options.ts";
export * from "./verifier.ts";
export * from "./verify_stream.ts";
