import { hostPlatform } from "../../registry/host_platform.ts";
import type { Digest } from "../../spec/digest.ts";
import { PlatformError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Index } from "../../spec/image/manifest.ts";
import { isRunnable } from "../../spec/image/platform_choice.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { Image } from "../images/image.ts";
import { readImage, type ReadImageOptions } from "../images/read_image.ts";
import { readStoredDocument } from "../images/stored_document.ts";
import { chooseEntry, followIndexes, type PlatformChoiceOptions } from "./choose_platforms.ts";
import { LayoutContent } from "./layout_content.ts";
import { isStored } from "./stored_graph.ts";

export interface ChooseStoredOptions extends PlatformChoiceOptions {
  /** Whether to select the first manifest if there are several, and none is for the host. */
  readonly takesFirst?: boolean | undefined;
}

/**
 * Finds the manifest for the host among those that the store has in full, in an index or its nested
 * indexes; the only one if it is for another platform.
 *
 * @returns Its descriptor in the index.
 * @throws {PlatformError} If there is none.
 */
export async function chooseStored(
  store: ContentStore,
  root: Descriptor,
  options: ChooseStoredOptions,
): Promise<Descriptor> {
  const source = new LayoutContent(store);
  return await followIndexes(source, root, options.signal, async (index) => {
    const complete = await completeEntries(store, index);
    const [first] = complete;
    const choices = first === undefined ? index : { ...index, manifests: complete };
    try {
      return await chooseEntry(source, choices, hostPlatform(), options);
    } catch (error) {
      const mayTake = complete.length === 1 || options.takesFirst;
      if (first !== undefined && mayTake && error instanceof PlatformError) return first;
      throw error;
    }
  });
}

/** Reads an image for the platform that {@linkcode chooseStored} selects; `undefined` if incomplete. */
export async function readStoredImage(
  store: ContentStore,
  digest: Digest,
  options: ReadImageOptions,
): Promise<Image | undefined> {
  const root = await readStoredDocument(store, { digest });
  if (root === undefined) return undefined;
  const { platform } = await chooseStored(store, root.descriptor, { label: digest });
  return platform && await readImage(store, digest, platform, options);
}

async function completeEntries(store: ContentStore, index: Index): Promise<Index["manifests"]> {
  const runnable = index.manifests.filter(isRunnable);
  const isThere = await Promise.all(runnable.map((entry) => isStored(store, entry)));
  return runnable.filter((_, i) => isThere[i]);
}
