import type { LayoutLocation } from "../../registry/image_location.ts";
import { isGranted } from "../../spec/granted.ts";
import type { ContentOptions } from "../../spec/image/content.ts";
import { ContentStore } from "../content/content_store.ts";
import { findHeld } from "../content/find_held.ts";
import { UntrustedStoreError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import { LayoutClient } from "../images/layout_client.ts";
import { type CopySource, type CopyTarget, labelOf } from "./endpoint.ts";
import { LayoutContent } from "./layout_content.ts";
import { LayoutWriter } from "./_layout_writer.ts";

/** Opens a layout as the source of a copy. */
export async function openLayoutSource(
  location: LayoutLocation,
  { signal }: ContentOptions,
): Promise<CopySource & AsyncDisposable> {
  const store = await ContentStore.open(location.path, { foreign: true });
  const find = async () => {
    const layout = await LayoutClient.open(location);
    return await layout.resolve(layout.reference);
  };
  // Hold the document in a store of this user. Write nothing to layouts of other programs.
  const own = await openOwnStore(location.path);
  const held = own && await findHeld(own, find, (root) => [root], signal);
  const root = held?.found ?? await find();
  return {
    label: labelOf(location),
    content: new LayoutContent(store),
    root: () => Promise.resolve(root),
    nameOfTag: (tag) => tag,
    [Symbol.asyncDispose]: () => Promise.resolve(held?.[Symbol.dispose]()),
  };
}

/** Opens a layout as the target of a copy. */
export async function openLayoutTarget(
  location: LayoutLocation,
  { signal }: ContentOptions,
): Promise<CopyTarget & AsyncDisposable> {
  const { path, name, digest } = location;
  const writer = await LayoutWriter.create(path, signal);
  return {
    label: labelOf(location),
    content: writer,
    name,
    digest,
    nameOfTag: (tag) => tag,
    keep: (descriptor, { signal } = {}) => writer.keep(descriptor, signal),
    commit: () => writer.commit(),
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}

/** Opens a layout as a store; `undefined` if no process of this user can prune it or write to it. */
async function openOwnStore(path: string): Promise<ContentStore | undefined> {
  const locks = `${path}/locks`;
  if (lstatIfAny(locks) === undefined) return undefined;
  if (!isGranted({ name: "write", path: locks })) return undefined;
  try {
    return await ContentStore.open(path);
  } catch (error) {
    if (error instanceof UntrustedStoreError) return undefined;
    throw error;
  }
}
