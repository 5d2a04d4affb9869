import { isDigest } from "../digest.ts";
import { PlatformError } from "../errors.ts";
import { formatPlatform, type Platform, variantLevel, variantOf } from "../platform.ts";
import type { Descriptor } from "./descriptor.ts";
import type { ImageConfig } from "./image_config.ts";
import type { Index } from "./manifest.ts";
import { isDocumentMediaType } from "./media_types.ts";

/**
 * Rates how well an image for one platform runs on another.
 *
 * @param offered Platform of the image.
 * @param wanted Platform to run on.
 * @returns A number that is larger for a better fit, or -1 if the image does not run.
 *
 * @example Compare images for different CPUs
 * ```ts
 * import { parsePlatform, platformFit } from "@x/oci/spec";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const machine = parsePlatform("linux/arm/v7");
 * const v7 = platformFit(parsePlatform("linux/arm/v7"), machine);
 * const v6 = platformFit(parsePlatform("linux/arm/v6"), machine);
 *
 * assert(v7 > v6 && v6 > 0);
 * assertEquals(platformFit(parsePlatform("linux/amd64"), machine), -1);
 * ```
 */
export function platformFit(offered: Platform, wanted: Platform): number {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return -1;
  if (!hasFeatures(offered, wanted)) return -1;
  const variant = variantFit(offered, wanted);
  const version = osVersionFit(offered, wanted);
  if (variant < 0 || version < 0) return -1;
  return (variant * MAX_FEATURES_FIT + featuresFit(offered)) * MAX_VERSION_FIT + version;
}

/** How to treat an image that is only for another platform. */
interface PlatformCheck {
  /** Whether to reject it. */
  readonly strictPlatform?: boolean | undefined;
  /** Called with a warning if it is not rejected. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Warns about an image that is only for another platform, or rejects it.
 *
 * @param subject Name of the image.
 * @param actual Platform of the image.
 * @param wanted Platform to run on.
 * @param check Whether to reject it.
 * @throws {PlatformError} If it is rejected.
 */
export function checkPlatform(
  subject: string,
  actual: Platform,
  wanted: Platform,
  { strictPlatform = false, onWarning }: PlatformCheck,
): void {
  if (platformFit(actual, wanted) >= 0) return;
  if (strictPlatform) throw new PlatformError(subject, wanted, [actual]);
  const has = formatPlatform(actual) || "an unknown platform";
  onWarning?.(`"${subject}" is for ${has}, not for ${formatPlatform(wanted)}`);
}

/**
 * Warns about times without a time zone in the config of an image. Not part of the parser of configs,
 * which a stored image does not need.
 *
 * @param subject Name of the image.
 */
export function checkTimes(
  subject: string,
  { created, history }: ImageConfig,
  onWarning: ((message: string) => void) | undefined,
): void {
  const times = [created, ...history.map(({ created }) => created)];
  const time = times.find((time) => time !== undefined && !/(?:z|[+-]\d{2}:\d{2})$/i.test(time));
  if (time === undefined) return;
  onWarning?.(
    `the config of "${subject}" has the time "${time}" without a time zone, ` +
      "so docker and podman refuse the image",
  );
}

/** Whether the operating system is known to have all features that an image requires. */
function hasFeatures(offered: Platform, wanted: Platform): boolean {
  const present = wanted["os.features"] ?? [];
  return (offered["os.features"] ?? []).every((feature) => present.includes(feature));
}

/** Rates the features: the image that uses most of them fits best, as in containerd. */
function featuresFit(offered: Platform): number {
  return Math.min(offered["os.features"]?.length ?? 0, MAX_FEATURES_FIT - 1);
}

/** Weight of the features: more than the fit of any version. */
const MAX_VERSION_FIT = 1e10;
/** Weight of the variant: more than the fit of any features. */
const MAX_FEATURES_FIT = 10;
/** Fit of the exact variant: more than that of any other variant. */
const EXACT_VARIANT_FIT = 2e4;

/**
 * Rates a variant. A CPU runs its own variant and earlier ones, of which the latest fits best. An
 * image without a variant fits worst, because it may be built for any of them.
 */
function variantFit(offered: Platform, wanted: Platform): number {
  const offeredVariant = variantOf(offered);
  if (offeredVariant === variantOf(wanted)) return EXACT_VARIANT_FIT;
  if (offeredVariant === undefined) return 1;
  const [have, want] = [variantLevel(offered), variantLevel(wanted)];
  // Variants without a number (`ppc64le/power9`) match by name only.
  return have === 0 || have > want ? -1 : 1 + Math.round(have * 100);
}

/** Rates a version. Only Windows has rules for compatible ones; later revisions fit better. */
function osVersionFit(offered: Platform, wanted: Platform): number {
  const [have, want] = [offered["os.version"], wanted["os.version"]];
  if (have === undefined) return 0;
  if (offered.os !== "windows") return want === undefined || have === want ? 1 : -1;
  const parts = have.split(".");
  const [major, minor, build] = want?.split(".") ?? [];
  if ([major, minor].some((part, i) => part !== undefined && parts[i] !== part)) return -1;
  if (build !== undefined && !runsBuild(versionPart(build), versionPart(parts[2]))) return -1;
  return versionPart(parts[2]) * 1e5 + versionPart(parts[3]);
}

/**
 * Builds of Windows Server 2022 and 2025. A later build of Windows runs images of the latest of
 * these before it, and of all builds in between.
 */
const STABLE_BUILDS = [20348, 26100] as const;

/** Whether a build of Windows runs images of another build, as in containerd. */
function runsBuild(host: number, image: number): boolean {
  if (host < STABLE_BUILDS[0]) return image === host;
  const oldest = STABLE_BUILDS.findLast((build) => build < host) ?? STABLE_BUILDS[0];
  return image >= oldest && image <= host;
}

function versionPart(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
}

/**
 * Whether an entry of an index is an image, rather than an attestation or an unknown kind, which
 * the specification requires readers to ignore. BuildKit marks attestations with the platform
 * `unknown/unknown` and an annotation.
 *
 * @param entry A descriptor in an index.
 * @returns Whether it may be chosen.
 *
 * @example Leave out the attestations of an index
 * ```ts
 * import { digestOf, isRunnable, OCI_MANIFEST, parsePlatform } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const entry = (platform: string) => ({
 *   mediaType: OCI_MANIFEST,
 *   digest: digestOf(new TextEncoder().encode(platform)),
 *   size: 1024,
 *   platform: parsePlatform(platform),
 * });
 * const manifests = [entry("linux/amd64"), entry("unknown/unknown")];
 *
 * assertEquals(manifests.filter(isRunnable), [entry("linux/amd64")]);
 * ```
 */
export function isRunnable(entry: Descriptor): boolean {
  return isDocumentMediaType(entry.mediaType) &&
    entry.platform?.os !== "unknown" &&
    entry.annotations?.["vnd.docker.reference.type"] !== "attestation-manifest";
}

/**
 * Selects the index entry that best matches a platform. Ties go to the first entry.
 *
 * An entry that requires features of the operating system (`os.features`) is only selected if they
 * are wanted. If nothing matches and exactly one entry has no platform, that one is selected;
 * `choosePlatformByConfig()` looks at the configs of such entries.
 *
 * @param index The index.
 * @param wanted Platform to run on; or several in order of preference, such as `linux/amd64` and
 * then `linux/386`.
 * @param subject Name of the image in errors.
 * @returns The entry.
 * @throws {PlatformError} If no entry fits; it lists the platforms of the index.
 *
 * @example Choose the manifest for a platform
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { choosePlatform, parsePlatform } from "@x/oci/spec";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const { value: document } = await client.document(parseReference("alpine:3.20"));
 * assert(document.kind === "index");
 *
 * const manifest = choosePlatform(document.value, parsePlatform("linux/arm64"));
 *
 * assertEquals(manifest.platform?.architecture, "arm64");
 * ```
 */
export function choosePlatform(
  index: Index,
  wanted: Platform | readonly [Platform, ...Platform[]],
  subject?: string,
): Descriptor {
  const runnable = index.manifests.filter(isRunnable);
  // An entry that cannot be verified is chosen only if nothing else fits, so that the error names
  // it.
  const verifiable = runnable.filter(({ digest }) => isDigest(digest));
  const choices = "os" in wanted ? [wanted] as const : wanted;
  const chosen = chooseEntry(verifiable, choices) ?? chooseEntry(runnable, choices);
  if (chosen !== undefined) return chosen;
  const platforms = runnable.flatMap((entry) => entry.platform ?? []);
  throw new PlatformError(subject, choices[0], platforms);
}

/** Selects the entry that matches best, or the only one without a platform. */
export function chooseEntry<Entry extends Descriptor>(
  entries: readonly Entry[],
  choices: readonly Platform[],
): Entry | undefined {
  for (const choice of choices) {
    const best = bestEntry(entries, choice);
    if (best !== undefined) return best;
  }
  // An entry without a platform may fit; the reader of its config warns if it does not.
  const [unknown, ...more] = entries.filter(({ platform }) => platform === undefined);
  return more.length === 0 ? unknown : undefined;
}

/** Returns the entry that matches one platform best. Ignores entries without a platform. */
function bestEntry<Entry extends Descriptor>(
  entries: readonly Entry[],
  wanted: Platform,
): Entry | undefined {
  let best: Entry | undefined;
  let bestFit = -1;
  for (const entry of entries) {
    if (entry.platform === undefined) continue;
    const fit = platformFit(entry.platform, wanted);
    if (fit > bestFit) [best, bestFit] = [entry, fit];
  }
  return best;
}
