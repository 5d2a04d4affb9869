import type { Descriptor } from "./descriptor.ts";
import { PlatformError } from "./errors.ts";
import type { Index } from "./manifest.ts";
import { type Platform, variantLevel } from "./platform.ts";

/**
 * Says how well an image for `offered` runs on `wanted`.
 *
 * @param offered What the image was built for.
 * @param wanted What it is to run on.
 * @returns A number that is larger for a better fit, or -1 if it does not run there.
 *
 * @example A CPU runs what was built for its predecessors
 * ```ts
 * import { parsePlatform, platformFit } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * const wanted = parsePlatform("linux/arm/v7");
 * const v7 = platformFit(parsePlatform("linux/arm/v7"), wanted);
 * const v6 = platformFit(parsePlatform("linux/arm/v6"), wanted);
 *
 * assert(v7 > v6 && v6 > 0);
 * assert(platformFit(parsePlatform("linux/amd64"), wanted) === -1);
 * ```
 */
export function platformFit(offered: Platform, wanted: Platform): number {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return -1;
  const version = osVersionFit(offered, wanted);
  if (version < 0) return -1;
  const variant = variantFit(offered, wanted);
  return variant < 0 ? -1 : variant * 1e6 + version;
}

/** A variant runs what was built for itself and for what came before it, the latest first. */
function variantFit(offered: Platform, wanted: Platform): number {
  const [have, want] = [variantLevel(offered), variantLevel(wanted)];
  if (offered.variant === wanted.variant) return 100;
  // A platform without a variant of its own kind (`riscv64`, `s390x`) matches by name only.
  if (have === 0 && offered.variant) return -1;
  if (want === 0) return wanted.variant ? (offered.variant ? -1 : 1) : 50 - Math.min(have, 49);
  if (have > want) return -1;
  return 1 + have;
}

/** Windows runs images of the same build only, of whichever revision; later ones are better. */
function osVersionFit(offered: Platform, wanted: Platform): number {
  const [have, want] = [offered["os.version"], wanted["os.version"]];
  if (offered.os !== "windows" || have === undefined) return 0;
  const parts = have.split(".");
  if (want !== undefined) {
    const build = want.split(".").slice(0, 3);
    if (build.some((part, i) => parts[i] !== part)) return -1;
  }
  const revision = Number(parts[3] ?? 0);
  return Number.isSafeInteger(revision) ? Math.min(revision, 999_999) : 0;
}

/**
 * Says whether an entry of an index is an image that can run, rather than an attestation
 * about one. BuildKit marks those with the platform `unknown/unknown` and an annotation.
 *
 * @param entry A descriptor in an index.
 * @returns Whether it may be chosen.
 */
export function isRunnable(entry: Descriptor): boolean {
  return entry.platform?.os !== "unknown" &&
    entry.annotations?.["vnd.docker.reference.type"] !== "attestation-manifest";
}

/**
 * Chooses the entry of an index that fits a platform best; of two equals, the first.
 *
 * An entry without a platform is chosen only if it is the only one, as in the layouts that
 * tools write for a single image.
 *
 * @param index The index.
 * @param wanted What the image is to run on.
 * @param subject What the index is of, for the error.
 * @returns The entry.
 * @throws {PlatformError} If nothing fits; it lists what there is.
 *
 * @example Choose between two platforms
 * ```ts
 * import { choosePlatform, digestOf, OCI_INDEX, OCI_MANIFEST, parsePlatform } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const entry = (platform: string) => ({
 *   mediaType: OCI_MANIFEST,
 *   digest: digestOf(new TextEncoder().encode(platform)),
 *   size: 1,
 *   platform: parsePlatform(platform),
 * });
 * const manifests = [entry("linux/amd64"), entry("linux/arm64/v8")];
 * const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests } as const;
 *
 * assertEquals(choosePlatform(index, parsePlatform("linux/arm64")), manifests[1]);
 * ```
 */
export function choosePlatform(
  index: Index,
  wanted: Platform,
  subject = "the image",
): Descriptor {
  const runnable = index.manifests.filter(isRunnable);
  const [only] = runnable;
  if (runnable.length === 1 && only !== undefined && only.platform === undefined) return only;
  let best: Descriptor | undefined;
  let bestFit = -1;
  for (const entry of runnable) {
    if (entry.platform === undefined) continue;
    const fit = platformFit(entry.platform, wanted);
    if (fit > bestFit) [best, bestFit] = [entry, fit];
  }
  if (best !== undefined) return best;
  const platforms = runnable.flatMap((entry) => entry.platform ?? []);
  throw new PlatformError(subject, wanted, platforms);
}
