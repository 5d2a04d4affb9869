import type { ContentOptions, ContentSource, ContentTarget } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { ContentStore } from "../content/content_store.ts";
import { ArchiveError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import { type ArchivedImage, listedImages, rootsOf } from "../images/listed_images.ts";
import { copyGraph } from "./copy_graph.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import { LayoutContent } from "./layout_content.ts";
import { presentIn } from "./stored_graph.ts";

/** Images to load, all of which have been verified. */
export interface LoadSource {
  /** Path of the archive or the layout. */
  readonly path: string;
  readonly images: readonly ArchivedImage[];
  readonly content: ContentSource;
  /** Chooses the successors of a document to load. */
  readonly successors: NonNullable<CopyGraphOptions["successors"]>;
}

/** Whether a path is a directory with the index of an OCI image layout. */
export function isLayout(path: string): boolean {
  // Look for the path itself first: if it cannot be read, the error names what the caller named.
  return lstatIfAny(path) !== undefined && lstatIfAny(`${path}/index.json`) !== undefined;
}

/**
 * Opens a layout, and verifies the content of its images that a store lacks. Manifests of an index
 * may be missing, as in an archive.
 *
 * @throws {ArchiveError} If it holds no images.
 */
export async function openVerifiedLayout(
  store: ContentStore,
  path: string,
  { successors, signal }: CopyGraphOptions,
): Promise<LoadSource> {
  const layout = await ContentStore.open(path, { foreign: true });
  const images = listedImages(await layout.descriptors());
  if (images.length === 0) throw new ArchiveError(path, "format", "it holds no images");
  const content = new LayoutContent(layout);
  const source: LoadSource = {
    path,
    images,
    content,
    successors: async (node, all) => {
      return await presentIn(layout, node, await successors?.(node, all) ?? all);
    },
  };
  const options = { signal, foreignLayers: "copy", successors: source.successors } as const;
  const target = discarding(new LayoutContent(store));
  for (const root of rootsOf(images)) await copyGraph(content, target, root, options);
  return source;
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
