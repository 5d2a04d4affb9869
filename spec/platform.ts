import { present } from "./_json.ts";

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
  /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)((?:\+[A-Za-z0-9_.-]+)*)\))?\/([A-Za-z0-9_-]+)(?:\/([A-Za-z0-9_.-]+))?(?::([A-Za-z0-9_.-]+))?$/;

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

/** Default variants of architectures, as in containerd. */
const IMPLIED_VARIANTS = new Map<string, string>([["arm64", "v8"], ["arm", "v7"], ["amd64", "v1"]]);

/**
 * Parses a platform of the form `OS[(OSVERSION[+OSFEATURE…])]/ARCH[/VARIANT]`, as containerd writes it.
 * The version may also follow at the end, after a colon.
 *
 * Aliases of architectures, such as `x86_64`, `aarch64` and `armhf`, are replaced.
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
  const [, os, version = "", features = "", arch, variantText, last = ""] =
    PLATFORM_REGEXP.exec(text) ?? [];
  if (os === undefined || arch === undefined || (version !== "" && last !== "")) {
    throw new SyntaxError(
      `Cannot parse platform "${text}": it must be "OS/ARCH[/VARIANT]" or ` +
        '"OS(OSVERSION)/ARCH", such as "linux/arm64" or "windows(10.0.20348)/amd64"',
    );
  }
  const lower = arch.toLowerCase();
  const [architecture, impliedVariant] = ARCHITECTURES.get(lower) ?? [lower];
  const variant = variantText?.toLowerCase() ?? impliedVariant;
  return {
    os: os.toLowerCase(),
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...present({
      "os.version": version || last || undefined,
      "os.features": features === "" ? undefined : features.slice(1).split("+"),
    }),
  };
}

/**
 * Formats a platform for {@linkcode parsePlatform}.
 *
 * @param platform The platform.
 * @returns Text such as `linux/arm64/v8` or `windows(10.0.20348+win32k)/amd64`.
 */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant, "os.version": version = "", "os.features": features } =
    platform;
  const details = [version, ...features ?? []].join("+");
  const system = details === "" ? os : `${os}(${details})`;
  return [system, architecture, variant].filter((part) => part).join("/");
}

/**
 * Returns the number of a variant: 7 for `arm/v7`, 8 for `arm64` without a variant, 8.02 for
 * `arm64/v8.2`.
 *
 * @param platform The platform.
 * @returns The number, or 0 if the variant has none.
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
