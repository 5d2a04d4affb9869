/**
 * What an image runs on, as in the OCI image index.
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
  /** Version of the operating system; Windows images need it. */
  readonly "os.version"?: string;
  /** Features of the operating system that the image needs. */
  readonly "os.features"?: readonly string[];
}

const PLATFORM_REGEXP =
  /^([A-Za-z0-9_-]+)\/([A-Za-z0-9_-]+)(?:\/([A-Za-z0-9_.-]+))?(?::([A-Za-z0-9_.-]+))?$/;

/** Other names of architectures, with the variant that they imply. */
const ARCHITECTURES = new Map<string, readonly [string, string?]>([
  ["x86_64", ["amd64"]],
  ["x86-64", ["amd64"]],
  ["aarch64", ["arm64"]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
  ["i386", ["386"]],
  ["i686", ["386"]],
]);

/** The variant of an architecture that names none, as containerd reads it. */
const IMPLIED_VARIANTS = new Map<string, string>([["arm64", "v8"], ["arm", "v7"], ["amd64", "v1"]]);

/**
 * Parses a platform as the command line writes it: `OS/ARCH[/VARIANT][:OSVERSION]`.
 *
 * Common other names of an architecture (`x86_64`, `aarch64`, `armhf`) become the registered
 * ones.
 *
 * @param text Such as `linux/arm64` or `windows/amd64:10.0.20348`.
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
  const [, os, arch, variantText, osVersion] = PLATFORM_REGEXP.exec(text) ?? [];
  if (os === undefined || arch === undefined) {
    throw new SyntaxError(
      `Cannot parse platform "${text}": it must be "OS/ARCH[/VARIANT][:OSVERSION]", ` +
        'such as "linux/arm64"',
    );
  }
  const lower = arch.toLowerCase();
  const [architecture, impliedVariant] = ARCHITECTURES.get(lower) ?? [lower];
  const variant = variantText?.toLowerCase() ?? impliedVariant;
  return {
    os: os.toLowerCase(),
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { "os.version": osVersion }),
  };
}

/**
 * Writes a platform as {@linkcode parsePlatform} reads it.
 *
 * @param platform A platform.
 * @returns Such as `linux/arm64/v8`.
 */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant, "os.version": osVersion } = platform;
  const name = [os, architecture, variant].filter((part) => part).join("/");
  return osVersion ? `${name}:${osVersion}` : name;
}

/**
 * The number of a platform's variant: 7 for `arm/v7`, 8 for `arm64` without a variant, 8.02 for
 * `arm64/v8.2`.
 *
 * @param platform A platform.
 * @returns The number, or 0 where the variant says nothing that can be ordered.
 */
export function variantLevel(platform: Platform): number {
  const variant = variantOf(platform) ?? IMPLIED_VARIANTS.get(platform.architecture) ?? "";
  const match = /^v?([0-9]{1,2})(?:\.([0-9]{1,2}))?$/.exec(variant);
  return match === null ? 0 : Number(match[1]) + Number(match[2] ?? 0) / 100;
}

/** The variant, unless it says nothing; tools that do not know write `unknown` (moby#39201). */
export function variantOf(platform: Platform): string | undefined {
  const { variant } = platform;
  return variant === "" || variant === "unknown" ? undefined : variant;
}
