import type { Descriptor } from "./descriptor.ts";
import { PlatformError } from "./errors.ts";
import type { Index } from "./manifest.ts";
import { isIndexMediaType, isManifestMediaType } from "./media_types.ts";
import { type Platform, variantLevel, variantOf } from "./platform.ts";

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
  const variant = variantFit(offered, wanted);
  const version = osVersionFit(offered, wanted);
  return variant < 0 || version < 0 ? -1 : variant * MAX_VERSION_FIT + version;
}

/** One more than the fit of any version, so that the variant decides first. */
const MAX_VERSION_FIT = 1e10;
/** More than the fit of any variant that is not exactly what was asked for. */
const EXACT_VARIANT_FIT = 1e5;

/**
 * A CPU runs what was built for its own variant and for those before it, the latest first. What
 * names no variant comes last, as it may be built for any of them.
 */
function variantFit(offered: Platform, wanted: Platform): number {
  const offeredVariant = variantOf(offered);
  if (offeredVariant === variantOf(wanted)) return EXACT_VARIANT_FIT;
  if (offeredVariant === undefined) return 1;
  const [have, want] = [variantLevel(offered), variantLevel(wanted)];
  // Variants without a number (`ppc64le/power9`) match by name only.
  return have === 0 || have > want ? -1 : 1 + Math.round(have * 100);
}

/** Windows runs images of the same build only, of whichever revision; later ones are better. */
function osVersionFit(offered: Platform, wanted: Platform): number {
  const [have, want] = [offered["os.version"], wanted["os.version"]];
  if (offered.os !== "windows" || have === undefined) return 0;
  const parts = have.split(".");
  const build = want?.split(".").slice(0, 3) ?? [];
  if (build.some((part, i) => parts[i] !== part)) return -1;
  return versionPart(parts[2]) * 1e5 + versionPart(parts[3]);
}

function versionPart(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
}

/**
 * Says whether an entry of an index is an image that can run, rather than an attestation
 * about one or something of a kind that is not known here, which the specification wants ignored.
 * BuildKit marks attestations with the platform `unknown/unknown` and an annotation.
 *
 * @param entry A descriptor in an index.
 * @returns Whether it may be chosen.
 */
export function isRunnable(entry: Descriptor): boolean {
  return (isManifestMediaType(entry.mediaType) || isIndexMediaType(entry.mediaType)) &&
    entry.platform?.os !== "unknown" &&
    entry.annotations?.["vnd.docker.reference.type"] !== "attestation-manifest";
}

/**
 * Chooses the entry of an index that fits a platform best; of two equals, the first.
 *
 * An entry without a platform is chosen only if it is the only one, as in the layouts that
 * tools write for a single image.
 *
 * @param index The index.
 * @param wanted What the image is to run on; or several, of which a later one counts only where
 * nothing fits the ones before it, as `linux/386` after `linux/amd64`.
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
  wanted: Platform | readonly [Platform, ...Platform[]],
  subject = "the image",
): Descriptor {
  const runnable = index.manifests.filter(isRunnable);
  const [only] = runnable;
  if (runnable.length === 1 && only !== undefined && only.platform === undefined) return only;
  const choices = "os" in wanted ? [wanted] as const : wanted;
  for (const choice of choices) {
    const best = chooseFor(runnable, choice);
    if (best !== undefined) return best;
  }
  const platforms = runnable.flatMap((entry) => entry.platform ?? []);
  throw new PlatformError(subject, choices[0], platforms);
}

function chooseFor(entries: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  let best: Descriptor | undefined;
  let bestFit = -1;
  for (const entry of entries) {
    if (entry.platform === undefined) continue;
    const fit = platformFit(entry.platform, wanted);
    if (fit > bestFit) [best, bestFit] = [entry, fit];
  }
  return best;
}
