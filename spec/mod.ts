/**
 * The OCI image specification as types and pure functions: digests, descriptors, manifests,
 * configs, platforms. Nothing here touches a disk or a network, and importing it needs no
 * permission.
 *
 * ```ts
 * import { digestOf, parsePlatform } from "@x/oci/spec";
 *
 * console.log(digestOf(new TextEncoder().encode("hello")), parsePlatform("linux/arm64"));
 * ```
 *
 * @module
 */
export { type Descriptor, embeddedData } from "./descriptor.ts";
export * from "./digest.ts";
export * from "./errors.ts";
export * from "./image.ts";
export * from "./image_config.ts";
export * from "./manifest.ts";
export * from "./media_types.ts";
export { formatPlatform, parsePlatform, type Platform, variantLevel } from "./platform.ts";
export * from "./platform_choice.ts";
export * from "./verifier.ts";
