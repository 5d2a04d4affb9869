import type { ContentOptions, ContentTarget } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import { isIndexMediaType } from "../../spec/image/media_types.ts";
import { ContentStore } from "../content/content_store.ts";
import { ArchiveError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import { type ArchivedImage, listedImages } from "../images/listed_images.ts";
import { copyGraph } from "./copy_graph.ts";
import type { CopyGraphOptions, CopyNode } from "./copy_options.ts";
import { LayoutContent } from "./layout_content.ts";

/** Images that were copied, and their descriptors in the store by their digest at the source. */
export interface CopiedImages {
  readonly images: readonly ArchivedImage[];
  readonly stored: ReadonlyMap<Digest, Descriptor>;
}

/** Whether a path is a directory with the index of an OCI image layout. */
export function isLayout(path: string): boolean {
  // Look for the path itself first: if it cannot be read, the error names what the caller named.
  return lstatIfAny(path) !== undefined && lstatIfAny(`${path}/index.json`) !== undefined;
}

/**
 * Copies every image of a layout into a store. All of it is verified before anything is stored.
 * Manifests of an index may be missing, as in an archive.
 *
 * @throws {ArchiveError} If it holds no images.
 */
export async function copyLayout(
  store: ContentStore,
  path: string,
  { successors, ...copying }: CopyGraphOptions,
): Promise<CopiedImages> {
  const layout = await ContentStore.open(path, { foreign: true });
  const images = listedImages(await layout.descriptors());
  if (images.length === 0) throw new ArchiveError(path, "format", "it holds no images");
  const [source, target] = [new LayoutContent(layout), new LayoutContent(store)];
  const options: CopyGraphOptions = {
    ...copying,
    foreignLayers: "copy",
    successors: async (node, all) => {
      return await presentIn(layout, node, await successors?.(node, all) ?? all);
    },
  };
  // An image may have many names.
  const roots = new Map(images.map(({ descriptor }) => [descriptor.digest, descriptor]));
  const { signal } = copying;
  const verifying = {
    signal,
    foreignLayers: options.foreignLayers,
    successors: options.successors,
  };
  for (const root of roots.values()) await copyGraph(source, discarding(target), root, verifying);
  const stored = new Map<Digest, Descriptor>();
  for (const [digest, root] of roots) {
    stored.set(digest, await copyGraph(source, target, root, options));
  }
  return { images, stored };
}

/** Returns the successors of a document that a layout has, and those that it must have. */
async function presentIn(
  layout: ContentStore,
  { descriptor }: CopyNode,
  successors: readonly Descriptor[],
): Promise<readonly Descriptor[]> {
  const there = await Promise.all(successors.map((successor) => layout.has(successor)));
  const isSparse = isIndexMediaType(descriptor.mediaType) && there.includes(true);
  return successors.filter(({ urls = [] }, i) => there[i] || !isSparse && urls.length === 0);
}

/** Returns a target that reads, and so verifies, what another target lacks, and stores nothing. */
function discarding(target: ContentTarget): ContentTarget {
  return {
    exists: (descriptor: Descriptor, options?: ContentOptions) => {
      return target.exists(descriptor, options);
    },
    push: async (_descriptor, open, { signal } = {}) => {
      const bytes = await open({ reuseMemory: true, signal });
      await bytes.pipeTo(new WritableStream());
    },
  };
}
