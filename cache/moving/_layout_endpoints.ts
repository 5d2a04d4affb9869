import type { LayoutLocation } from "../../registry/image_location.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import { isGranted } from "../../spec/granted.ts";
import type { ContentOptions } from "../../spec/image/content.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import { findHeld } from "../../store/content/find_held.ts";
import { lstatIfAny } from "../../store/host/files.ts";
import { UntrustedStoreError } from "../../store/host/private_directory.ts";
import { LayoutClient } from "../../store/images/layout_client.ts";
import { type CopyTarget, labelOf, type OpenSource } from "../../store/moving/endpoint.ts";
import { LayoutContent } from "../../store/moving/layout_content.ts";
import { LayoutWriter } from "../../store/moving/layout_writer.ts";

/** Opens a layout as the source of a copy. */
export async function openLayoutSource(
  location: LayoutLocation,
  { signal }: ContentOptions,
): Promise<OpenSource> {
  const store = await ContentStore.open(location.path, { foreign: true });
  const find = async () => {
    const layout = await LayoutClient.open(location);
    return { reference: layout.reference, root: await layout.resolve(layout.reference) };
  };
  // Protect the document if this user can prune the layout. Write nothing to other layouts.
  const own = await openOwnStore(location.path);
  const held = own && await findHeld(own, find, { blobsOf: ({ root }) => [root], signal });
  const { reference, root } = held?.found ?? await find();
  return {
    label: labelOf(location),
    content: new LayoutContent(store),
    root: () => Promise.resolve(root),
    reference: () => Promise.resolve(reference),
    nameOfTag: (tag) => tag,
    [Symbol.asyncDispose]: () => Promise.resolve(held?.[Symbol.dispose]()),
  };
}

/** Opens a layout as the target of a copy. */
export async function openLayoutTarget(
  location: LayoutLocation,
  { signal, layout: shared }: ContentOptions & { readonly layout?: LayoutWriter | undefined },
): Promise<CopyTarget & AsyncDisposable> {
  const { path, name, digest } = location;
  const writer = shared ?? await LayoutWriter.create(path, signal);
  return {
    label: labelOf(location),
    content: writer,
    name,
    digest,
    nameOfTag: (tag) => tag,
    keep: (descriptor, { signal } = {}) => writer.keep(descriptor, signal),
    // The owner of a shared writer ends it.
    commit: async () => {
      if (shared === undefined) await writer.commit();
    },
    [Symbol.asyncDispose]: async () => {
      if (shared === undefined) await writer[Symbol.asyncDispose]();
    },
  };
}

/** Opens a layout that is a store; `undefined` if this user can neither write to it nor prune it. */
async function openOwnStore(path: string): Promise<ContentStore | undefined> {
  const locks = `${path}/locks`;
  if (lstatIfAny(locks) === undefined) return undefined;
  if (!isGranted({ name: "write", path: locks })) return undefined;
  return await unlessRejected(ContentStore.open(path), UntrustedStoreError);
}
