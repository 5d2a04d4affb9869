import { isGranted } from "../spec/granted.ts";
import { present } from "../spec/json.ts";
import { cpuVariant, type Platform } from "../spec/platform.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = {
  "x86_64": "amd64",
  "aarch64": "arm64",
  "riscv64gc": "riscv64",
};

const CPU_INFO = "/proc/cpuinfo";

/** Variant that the file names, once it has been read. */
let knownVariant: string | undefined;

/**
 * Returns the platform of images for this machine: Linux on its CPU, even if Linux runs in a
 * virtual machine, as on macOS and Windows.
 *
 * @returns The platform, with the CPU variant if `/proc/cpuinfo` contains it and can be read
 * without a prompt. Images for an earlier variant, or without a variant, also match.
 *
 * @example Read the image for this machine
 * ```ts
 * import { hostPlatform, parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient({ platform: hostPlatform() });
 * const image = await client.image(parseReference("alpine:3.20"));
 *
 * assertEquals(image.platform.architecture, hostPlatform().architecture);
 * ```
 */
export function hostPlatform(): Platform {
  const { arch } = Deno.build;
  const architecture = ARCHITECTURES[arch] ?? arch;
  const variant = hostVariant(architecture);
  return { os: "linux", architecture, ...present({ variant }) };
}

function hostVariant(architecture: string): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  if (!isGranted({ name: "read", path: CPU_INFO })) return undefined;
  try {
    return knownVariant ??= cpuVariant(architecture, Deno.readTextFileSync(CPU_INFO));
  } catch {
    // A sandbox may hide the file. Images without a variant also run.
    return undefined;
  }
}
