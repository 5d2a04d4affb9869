/**
 * The two OCI specifications as types and pure functions, without access to disk or network.
 * Importing it needs no permission.
 *
 * - The image specification: digests, descriptors, manifests, configs, platforms.
 * - The runtime specification: the `config.json` of a container, made from an image's config and
 *   from options by {@linkcode newSpec}.
 *
 * ```ts
 * import { formatSpec, newSpec, withArgs, withCPULimit, withMemoryLimit } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = newSpec(withArgs(["/bin/app"]), withCPULimit("500m"), withMemoryLimit("1Gi"));
 * await Deno.writeTextFile("./config.json", formatSpec(spec));
 *
 * const { process, linux } = JSON.parse(await Deno.readTextFile("./config.json"));
 * assertEquals(process.args, ["/bin/app"]);
 * assertEquals(linux.resources.memory, { limit: 1_073_741_824 });
 * ```
 *
 * @module
 */
export { type GroupEntry, parseGroup, parsePasswd, type PasswdEntry } from "./options/accounts.ts";
export {
  type CapabilityChanges,
  DEFAULT_CAPABILITIES,
  withCapabilities,
} from "./options/capabilities.ts";
export type * from "./image/content.ts";
export { type Descriptor, embeddedData } from "./image/descriptor.ts";
export {
  type Digest,
  type DigestAlgorithm,
  Digester,
  digestHex,
  digestOf,
  isDigest,
  parseDigest,
} from "./digest.ts";
export { DEFAULT_PATH, withEnv } from "./options/environment.ts";
export type { ErrorCode, ErrorFacts } from "./error_facts.ts";
export * from "./errors.ts";
export { withMounts, withReadOnlyRoot, withRootFS } from "./options/filesystem_options.ts";
export type * from "./image/image.ts";
export {
  type ContainerConfig,
  type HistoryEntry,
  type ImageConfig,
  parseImageConfig,
} from "./image/image_config.ts";
export * from "./options/image_options.ts";
export * from "./image/layer_type.ts";
export * from "./image/manifest.ts";
export * from "./image/media_types.ts";
export * from "./options/namespace_options.ts";
export * from "./options/new_spec.ts";
export {
  cpuVariant,
  formatPlatform,
  parsePlatform,
  type Platform,
  variantLevel,
} from "./platform.ts";
export { type ChooseByConfigOptions, choosePlatformByConfig } from "./image/platform_by_config.ts";
export { choosePlatform, isRunnable, platformFit } from "./image/platform_choice.ts";
export * from "./options/process_options.ts";
export * from "./options/quantity.ts";
export { readBytes, type ReadBytesOptions } from "./image/read_bytes.ts";
export * from "./options/resource_options.ts";
export type * from "./runtime/runtime_linux.ts";
export type * from "./runtime/runtime_process.ts";
export type * from "./runtime/runtime_resources.ts";
export type * from "./runtime/runtime_seccomp.ts";
export * from "./runtime/runtime_spec.ts";
export * from "./options/seccomp_profile.ts";
export type * from "./runtime/spec_option.ts";
export * from "./runtime/sub_ids.ts";
export * from "./options/user.ts";
export * from "./options/user_namespace_options.ts";
export * from "./options/user_options.ts";
export { digestAlgorithm, type Expectation, Verifier, verifyBytes } from "./verifier.ts";
export { VerifyStream } from "./image/verify_stream.ts";
