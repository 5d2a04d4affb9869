/** Features that each level of x86-64 adds, by their names in the kernel. */
const AMD64_LEVELS: readonly (readonly [string, readonly string[]])[] = [
  ["v2", ["cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3"]],
  ["v3", ["abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"]],
  ["v4", ["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"]],
];

/**
 * Detects the variant of a CPU.
 *
 * @param architecture The architecture, by its OCI name.
 * @param cpuinfo Text of `/proc/cpuinfo`.
 * @returns The variant, such as `v3` for `amd64`, `v9` for `arm64` or `v7` for `arm`; `undefined` if the
 * architecture has no variants or the text does not contain it.
 *
 * @example A CPU with AVX2
 * ```ts
 * import { cpuVariant } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const flags = "abm avx avx2 bmi1 bmi2 cx16 f16c fma lahf_lm movbe pni popcnt sse4_1 sse4_2 ssse3";
 *
 * assertEquals(cpuVariant("amd64", `flags\t: ${flags} xsave\n`), "v3");
 * assertEquals(cpuVariant("arm", "CPU architecture: 7\n"), "v7");
 * ```
 */
export function cpuVariant(architecture: string, cpuinfo: string): string | undefined {
  switch (architecture) {
    case "amd64":
      return amd64Variant(new Set(words(cpuinfo, "flags")));
    case "arm64":
      // The kernel also reports 8 for version 9, which is the first to require SVE2.
      return words(cpuinfo, "Features").includes("sve2") ? "v9" : "v8";
    case "arm":
      return armVariant(cpuinfo);
    default:
      return undefined;
  }
}

function amd64Variant(flags: ReadonlySet<string>): string {
  let variant = "v1";
  for (const [level, needed] of AMD64_LEVELS) {
    if (!needed.every((flag) => flags.has(flag))) break;
    variant = level;
  }
  return variant;
}

function armVariant(cpuinfo: string): string | undefined {
  const [text = ""] = words(cpuinfo, "CPU architecture");
  const level = /^(?:AArch64|[5-8])/.exec(text)?.[0];
  if (level === undefined) return undefined;
  // The kernel reports 7 for the first Raspberry Pi, which has version 6.
  if (level === "7" && words(cpuinfo, "model name")[0]?.startsWith("ARMv6")) return "v6";
  return level === "AArch64" ? "v8" : `v${level}`;
}

/** Returns the words of the first line with a name. */
function words(cpuinfo: string, name: string): readonly string[] {
  const line = cpuinfo.split("\n").find((line) => line.split(":", 1)[0]?.trim() === name) ?? "";
  return line.slice(line.indexOf(":") + 1).split(/\s+/).filter(Boolean);
}
