import type { Repository } from "../../registry/reference.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { childrenOf } from "../../spec/image/children.ts";
import { type Descriptor, isForeignLayer } from "../../spec/image/descriptor.ts";
import {
  isDocumentMediaType,
  isIndexMediaType,
  isManifestMediaType,
} from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import { parseStoredName } from "../content/layout_index.ts";
import { readStoredDocument } from "../images/stored_document.ts";
import type { CopyNode } from "./copy_options.ts";

/**
 * Returns whether a store has a document and everything that it references, except
 * non-distributable layers. Blobs are not hashed.
 */
export async function isStored(store: ContentStore, descriptor: Descriptor): Promise<boolean> {
  return await visitEach(descriptor, async (next) => {
    if (isForeignLayer(next)) return [];
    if (isDocumentMediaType(next.mediaType)) return await successorsOf(store, next);
    return await store.has(next) ? [] : undefined;
  });
}

/**
 * Returns the successors of a document that a layout has, and those that it must have. An index may
 * lack some of its manifests or their blobs, but not all, and a blob with URLs may be missing.
 */
export async function presentIn(
  layout: ContentStore,
  { descriptor }: CopyNode,
  successors: readonly Descriptor[],
): Promise<readonly Descriptor[]> {
  const isIndex = isIndexMediaType(descriptor.mediaType);
  const there = await Promise.all(successors.map((successor) => {
    const isPart = isIndex && isManifestMediaType(successor.mediaType);
    return isPart ? isStored(layout, successor) : layout.has(successor);
  }));
  const isSparse = isIndex && there.includes(true);
  return successors.filter(({ urls = [] }, i) => there[i] || !isSparse && urls.length === 0);
}

/**
 * Visits a descriptor and everything that it references, each once: indexes may list the same
 * content any number of times, so the number of paths is unlimited.
 *
 * @param root First descriptor to visit.
 * @param visit Returns the descriptors that a descriptor references; `undefined` ends the visits.
 * @returns Whether all have been visited.
 */
async function visitEach(
  root: Descriptor,
  visit: (descriptor: Descriptor) => Promise<readonly Descriptor[] | undefined>,
): Promise<boolean> {
  const seen = new Set<string>();
  const pending = [root];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { mediaType, digest, size } = next;
    const key = JSON.stringify([mediaType, digest, size]);
    if (seen.has(key)) continue;
    seen.add(key);
    const successors = await visit(next);
    if (successors === undefined) return false;
    pending.push(...successors);
  }
  return true;
}

/**
 * Finds blobs that can be mounted from another repository of the same registry, according to the
 * names in a store.
 *
 * @returns The repositories, by the digest of the blob.
 */
export async function storedMounts(
  store: ContentStore,
  { registry, repository }: Repository,
): Promise<Map<string, string>> {
  const mounts = new Map<string, string>();
  for (const { name, descriptor } of await store.references()) {
    const place = parseStoredName(name);
    if (place?.registry !== registry || place.repository === repository) continue;
    await visitEach(descriptor, async (next) => {
      if (isDocumentMediaType(next.mediaType)) {
        // A damaged document of another image only offers nothing to mount.
        return await unlessRejected(successorsOf(store, next), OciError, SyntaxError) ?? [];
      }
      mounts.set(next.digest, place.repository);
      return [];
    });
  }
  return mounts;
}

async function successorsOf(
  store: ContentStore,
  descriptor: Descriptor,
): Promise<readonly Descriptor[] | undefined> {
  const document = await readStoredDocument(store, descriptor);
  return document && childrenOf(document.value);
}
