import { explainedError } from "./error_facts.ts";
import { present } from "./json.ts";

/**
 * Platform of an image, as in the OCI image index.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md | image-index.md}, `platform`.
 */
export interface Platform {
  /** Operating system, a `GOOS` such as `linux`. */
  readonly os: string;
  /** CPU architecture, a `GOARCH` such as `amd64` or `arm64`. */
  readonly architecture: string;
  /** Variant of the CPU, such as `v7` for `arm`. */
  readonly variant?: string;
  /** Version of the operating system, which Windows images require. */
  readonly "os.version"?: string;
  /** Required features of the operating system. */
  readonly "os.features"?: readonly string[];
}

const PLATFORM_REGEXP =
  /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?\/([A-Za-z0-9_-]+)(?:\/([A-Za-z0-9_.-]+))?(?::([A-Za-z0-9_.-]+))?$/;

/** Aliases of operating systems. */
const SYSTEMS = new Map<string, string>([["macos", "darwin"]]);

/** Aliases of architectures, with their variants. */
const ARCHITECTURES = new Map<string, readonly [string, string?]>([
  ["x86_64", ["amd64"]],
  ["x86-64", ["amd64"]],
  ["aarch64", ["arm64"]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
  ["i386", ["386"]],
  ["i686", ["386"]],
]);

/** Architectures that need no operating system before them, like the aliases. */
const LONE_ARCHITECTURES: ReadonlySet<string> = new Set(
  ["386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x"],
);

/** Default variants of architectures, as in containerd. */
const IMPLIED_VARIANTS = new Map<string, string>([["arm64", "v8"], ["arm", "v7"], ["amd64", "v1"]]);

/**
 * Parses a platform of the form `OS[(OSVERSION[+OSFEATURE…])]/ARCH[/VARIANT]`, as containerd writes
 * it, with percent-encoding in the parentheses. The version may also follow at the end, after a
 * colon.
 *
 * Aliases such as `macos`, `x86_64`, `aarch64` and `armhf` are replaced. An architecture without an
 * operating system, such as `arm64` or `arm/v7`, is one of Linux, as in docker.
 *
 * @param text A platform such as `linux/arm64` or `windows(10.0.20348)/amd64`.
 * @returns The platform.
 * @throws {SyntaxError} If `text` is not of that form.
 *
 * @example Parse platforms
 * ```ts
 * import { parsePlatform } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parsePlatform("linux/arm/v7"), { os: "linux", architecture: "arm", variant: "v7" });
 * assertEquals(parsePlatform("linux/x86_64"), { os: "linux", architecture: "amd64" });
 * ```
 */
export function parsePlatform(text: string): Platform {
  const [, os, versionText = "", featuresText = "", arch, variantText, last = ""] =
    PLATFORM_REGEXP.exec(beginsWithArchitecture(text) ? `linux/${text}` : text) ?? [];
  const version = decodeDetail(versionText);
  const features = featuresText.split("+").slice(1).map(decodeDetail);
  const isDecoded = version !== undefined && !features.includes(undefined);
  if (os === undefined || arch === undefined || !isDecoded || (version !== "" && last !== "")) {
    throw explainedError(SyntaxError, {
      code: "invalid-text",
      action: `parse platform "${text}"`,
      subject: text,
      problem: 'it must be "OS/ARCH[/VARIANT]" or "OS(OSVERSION)/ARCH", such as "linux/arm64" or ' +
        '"windows(10.0.20348)/amd64"',
      option: "platform",
    });
  }
  return normalizePlatform({
    os,
    architecture: arch,
    ...present({
      variant: variantText,
      "os.version": version || last || undefined,
      "os.features": features.length === 0 ? undefined : features as readonly string[],
    }),
  });
}

/** Replaces aliases and uppercase letters, which some tools write into images, as in containerd. */
export function normalizePlatform(platform: Platform): Platform {
  const system = platform.os.toLowerCase();
  const lower = platform.architecture.toLowerCase();
  const [architecture, impliedVariant] = ARCHITECTURES.get(lower) ?? [lower];
  return {
    ...platform,
    os: SYSTEMS.get(system) ?? system,
    architecture,
    ...present({ variant: platform.variant?.toLowerCase() ?? impliedVariant }),
  };
}

function beginsWithArchitecture(text: string): boolean {
  const [first = ""] = text.toLowerCase().split("/", 1);
  return LONE_ARCHITECTURES.has(first) || ARCHITECTURES.has(first);
}

/** Decodes a version or a feature; `undefined` if its percent-encoding is invalid. */
function decodeDetail(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Percent-encodes the characters of a version or a feature that serve as separators. */
function encodeDetail(text: string): string {
  return text.replace(/[%+()/]/g, encodeCharacter);
}

function encodeCharacter(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Parses a platform with {@linkcode parsePlatform}, unless it is parsed already. */
export function toPlatform(platform: Platform | string): Platform {
  return typeof platform === "string" ? parsePlatform(platform) : platform;
}

/**
 * Formats a platform for {@linkcode parsePlatform}.
 *
 * @param platform The platform.
 * @returns Text such as `linux/arm64/v8` or `windows(10.0.20348+win32k)/amd64`.
 *
 * @example Format a platform
 * ```ts
 * import { formatPlatform } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const platform = { os: "linux", architecture: "arm", variant: "v7" };
 *
 * assertEquals(formatPlatform(platform), "linux/arm/v7");
 * ```
 */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant, "os.version": version = "" } = platform;
  const features = platform["os.features"]?.filter((feature) => feature !== "") ?? [];
  const details = [version, ...features].map(encodeDetail).join("+");
  const system = details === "" ? os : `${os}(${details})`;
  return [system, architecture, variant].filter((part) => part).join("/");
}

/**
 * Returns the number of a variant: 7 for `arm/v7`, 8 for `arm64` without a variant, 8.02 for
 * `arm64/v8.2`.
 *
 * @param platform The platform.
 * @returns The number, or 0 if the variant has none.
 *
 * @example Compare versions of ARM
 * ```ts
 * import { parsePlatform, variantLevel } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(variantLevel(parsePlatform("linux/arm/v7")), 7);
 * assertEquals(variantLevel(parsePlatform("linux/arm64")), 8);
 * ```
 */
export function variantLevel(platform: Platform): number {
  const variant = variantOf(platform) ?? IMPLIED_VARIANTS.get(platform.architecture) ?? "";
  const match = /^v?([0-9]{1,2})(?:\.([0-9]{1,2}))?$/.exec(variant);
  return match === null ? 0 : Number(match[1]) + Number(match[2] ?? 0) / 100;
}

/** Returns the variant unless it is `unknown`, which some tools write (moby#39201). */
export function variantOf(platform: Platform): string | undefined {
  const { variant } = platform;
  return variant === "" || variant === "unknown" ? undefined : variant;
}

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
 * @returns The variant, such as `v3` for `amd64`, `v9` for `arm64` or `v7` for `arm`; `undefined`
 * if the architecture has no variants or the text does not contain it.
 *
 * @example Recognize a CPU with AVX2
 * ```ts
 * import { cpuVariant } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const flags =
 *   "abm avx avx2 bmi1 bmi2 cx16 f16c fma lahf_lm movbe pni popcnt sse4_1 sse4_2 ssse3";
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
