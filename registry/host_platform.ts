import type { Platform } from "../spec/mod.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = {
  "x86_64": "amd64",
  "aarch64": "arm64",
  "riscv64gc": "riscv64",
};

/**
 * The platform whose images run here: Linux on the CPU of this machine, also where Linux runs in
 * a virtual machine, as on macOS and Windows.
 *
 * @returns The platform, without a variant: an image for any level of the CPU will be judged by
 * what it says.
 *
 * @example Ask for what runs here
 * ```ts
 * import { hostPlatform } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(hostPlatform().os, "linux");
 * ```
 */
export function hostPlatform(): Platform {
  const { arch } = Deno.build;
  return { os: "linux", architecture: ARCHITECTURES[arch] ?? arch };
}
