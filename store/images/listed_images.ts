import { entryIndex } from "../../registry/image_location.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { completeName, CONTAINERD_NAME, REF_NAME } from "../content/layout_index.ts";
import { isReferrer } from "./layout_referrers.ts";
import type { DocumentSource } from "./stored_document.ts";

/** An image, or another document, that an archive or a layout lists. */
export interface ArchivedImage {
  /** Its index or manifest. */
  readonly descriptor: Descriptor;
  /** The forms of its name in the list, the most complete first; none if it has no name. */
  readonly names: readonly string[];
  /** Index of its entry in the list; several names of an image may share one. */
  readonly position?: number | undefined;
}

/**
 * Returns the images that the entries of an `index.json` describe. Ignores unnamed entries of other
 * media types, such as the AppStream metadata in the example of the image specification.
 *
 * @param entries The entries, in order; `undefined` for one that is not a descriptor.
 */
export function listedImages(
  entries: readonly (Descriptor | undefined)[],
): readonly ArchivedImage[] {
  return entries.flatMap((descriptor, position) => {
    if (descriptor === undefined) return [];
    const { [CONTAINERD_NAME]: full, [REF_NAME]: name } = descriptor.annotations ?? {};
    const names = new Set([full, name].filter((name) => name !== undefined));
    return [{ descriptor, names: [...names], position }];
  }).filter(({ descriptor, names }) => {
    return names.length > 0 || isDocumentMediaType(descriptor.mediaType);
  });
}

/** Returns the documents of images, each once: an image may have many names. */
export function rootsOf(images: readonly ArchivedImage[]): readonly Descriptor[] {
  return [...new Map(images.map(({ descriptor }) => [descriptor.digest, descriptor])).values()];
}

/**
 * Finds the images with a name, or else those with the same full reference. The name `@N` stands for
 * the entry at that index.
 */
export function imagesNamed(
  images: readonly ArchivedImage[],
  name: string,
): readonly ArchivedImage[] {
  const index = entryIndex(name);
  if (index !== undefined) return images.filter(({ position }) => position === index);
  const exact = images.filter(({ names }) => names.includes(name));
  if (exact.length > 0) return exact;
  const full = completeName(name);
  return images.filter(({ names }) => names.some((other) => completeName(other) === full));
}

/** Lists for each image a name that no other image has, or else `@N`, for errors. */
export function choicesOf(images: readonly ArchivedImage[]): string {
  const named = Map.groupBy(images, ({ names }) => names[0]);
  const isUnique = (name: string) =>
    new Set(named.get(name)?.map(({ descriptor }) => descriptor.digest)).size === 1;
  const entries = Map.groupBy(images, ({ descriptor }) => descriptor.digest);
  return [...entries.values()].map((same) => {
    return same.flatMap(({ names }) => names.slice(0, 1)).find(isUnique) ?? `@${same[0]?.position}`;
  }).join(", ");
}

/** Omits unnamed documents that refer to other documents, unless nothing would remain. */
export async function withoutReferrers(
  source: DocumentSource,
  images: readonly ArchivedImage[],
): Promise<readonly ArchivedImage[]> {
  if (images.length < 2) return images;
  const isOwn = await Promise.all(images.map(async ({ names, descriptor }) => {
    return names.length > 0 || !await isReferrer(source, descriptor);
  }));
  return isOwn.includes(true) ? images.filter((_, i) => isOwn[i]) : images;
}
