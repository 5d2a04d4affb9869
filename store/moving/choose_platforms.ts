import { NotFoundError } from "../../registry/errors.ts";
import type { Digest } from "../../spec/digest.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import { PlatformError } from "../../spec/errors.ts";
import type { ContentSource } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { parseImageConfig } from "../../spec/image/image_config.ts";
import { type Index, MAX_CONFIG_BYTES, MAX_INDEX_DEPTH } from "../../spec/image/manifest.ts";
import { isConfigMediaType, isIndexMediaType } from "../../spec/image/media_types.ts";
import { choosePlatformByConfig } from "../../spec/image/platform_by_config.ts";
import { platformFit } from "../../spec/image/platform_choice.ts";
import { present } from "../../spec/json.ts";
import type { Platform } from "../../spec/platform.ts";
import { StoreError } from "../errors.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import { readContent, readDocument } from "./read_content.ts";

export interface PlatformChoiceOptions {
  /** Name of the image in errors. */
  readonly label: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the manifest for a platform in an index or its nested indexes.
 *
 * @returns Its descriptor, with the platform that the index names.
 * @throws {PlatformError} If there is none; also for a single image that is for another platform.
 */
export async function chooseManifest(
  source: ContentSource,
  root: Descriptor,
  platform: Platform,
  options: PlatformChoiceOptions,
): Promise<Descriptor> {
  const chosen = await followIndexes(source, root, options.signal, (index) => {
    return chooseEntry(source, index, platform, options);
  });
  if (chosen === root) await checkPlatform(source, root, platform, options);
  const { mediaType, digest, size, platform: actual } = chosen;
  return { mediaType, digest, size, ...present({ platform: actual }) };
}

/** Follows an index and its nested indexes to a manifest, by the entry that `choose` selects in each. */
export async function followIndexes(
  source: ContentSource,
  root: Descriptor,
  signal: AbortSignal | undefined,
  choose: (index: Index) => Promise<Descriptor>,
): Promise<Descriptor> {
  let chosen = root;
  for (let depth = 0; isIndexMediaType(chosen.mediaType) && depth <= MAX_INDEX_DEPTH; depth++) {
    const { kind, value } = await readDocument(source, chosen, signal);
    if (kind !== "index") break;
    chosen = await choose(value);
  }
  return chosen;
}

/** Selects the entry of an index for a platform. */
export async function chooseEntry(
  source: ContentSource,
  index: Index,
  platform: Platform,
  { label, signal }: PlatformChoiceOptions,
): Promise<Descriptor> {
  return await choosePlatformByConfig(index, platform, {
    subject: label,
    read: async (descriptor) => {
      const reading = readContent(source, descriptor, MAX_CONFIG_BYTES, signal);
      // The platform was never pulled, or has been deleted.
      return await unlessRejected(reading, NotFoundError, StoreError);
    },
  });
}

/** Checks that a single image is for a platform, by its config. */
async function checkPlatform(
  source: ContentSource,
  root: Descriptor,
  platform: Platform,
  { label, signal }: PlatformChoiceOptions,
): Promise<void> {
  const { kind, value } = await readDocument(source, root, signal);
  if (kind !== "manifest" || !isConfigMediaType(value.config.mediaType)) return;
  const bytes = await readContent(source, value.config, MAX_CONFIG_BYTES, signal);
  const actual = parseImageConfig(bytes).platform;
  // A config without a platform may be for any.
  if (actual.os === "") return;
  if (platformFit(actual, platform) < 0) throw new PlatformError(label, platform, [actual]);
}

/**
 * Returns a hook that selects the manifests for some platforms in an index and its nested indexes,
 * and documents about them, such as BuildKit's attestations.
 */
export function keepPlatforms(
  source: ContentSource,
  root: Descriptor,
  platforms: readonly Platform[],
  options: PlatformChoiceOptions,
): NonNullable<CopyGraphOptions["successors"]> {
  /** The platforms to select in each index on the way to a manifest. */
  const wanted = new Map([[root.digest, platforms]]);
  return async ({ descriptor, document }, successors) => {
    const selected = wanted.get(descriptor.digest);
    if (selected === undefined || document?.value.kind !== "index") return successors;
    const index = document.value.value;
    const chosen = new Set<Digest>();
    for (const platform of selected) {
      const { digest } = await chooseEntry(source, index, platform, options);
      chosen.add(digest);
      wanted.set(digest, [...wanted.get(digest) ?? [], platform]);
    }
    return successors.filter((entry) => chosen.has(entry.digest) || isAbout(entry, chosen));
  };
}

function isAbout({ annotations = {} }: Index["manifests"][number], chosen: Set<Digest>): boolean {
  return chosen.has(annotations["vnd.docker.reference.digest"] as Digest);
}
