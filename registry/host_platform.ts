import { cpuVariant } from "../spec/cpu_variant.ts";
import type { Platform } from "../spec/platform.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = {
  "x86_64": "amd64",
  "aarch64": "arm64",
  "riscv64gc": "riscv64",
};

const CPU_INFO = "/proc/cpuinfo";

/** What the file says, once it has been read. */
let knownVariant: string | undefined;

/**
 * The platform whose images run here: Linux on the CPU of this machine, also where Linux runs in
 * a virtual machine, as on macOS and Windows.
 *
 * @returns The platform, with the variant of the CPU where `/proc/cpuinfo` tells it and may be
 * read without asking for a permission. An image for an earlier variant, or for none, fits too.
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
  const architecture = ARCHITECTURES[arch] ?? arch;
  const variant = hostVariant(architecture);
  return { os: "linux", architecture, ...(variant === undefined ? {} : { variant }) };
}

function hostVariant(architecture: string): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const { state } = Deno.permissions.querySync({ name: "read", path: CPU_INFO });
  if (state !== "granted") return undefined;
  try {
    return knownVariant ??= cpuVariant(architecture, Deno.readTextFileSync(CPU_INFO));
  } catch {
    // Hidden in a sandbox: an image that names no variant runs as well.
    return undefined;
  }
}
