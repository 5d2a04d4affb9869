import type { ContentSource } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { GraphCopy } from "./_graph_copy.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import type { CopyTarget } from "./endpoint.ts";

/** Options for {@linkcode copyLookedUp}. */
export interface CopyLookedUpOptions extends CopyGraphOptions {
  /** The document that has the name at the target, looked up in parallel with the source. */
  readonly current: Promise<Descriptor | undefined> | undefined;
  /** Called when the document is stored, before it gets its name. */
  readonly beforeName?: (() => Promise<void>) | undefined;
}

/** Copies a document to a target, under the name that the target has for it, if any. */
export async function copyLookedUp(
  source: ContentSource,
  { content, name }: Pick<CopyTarget, "content" | "name">,
  root: Descriptor,
  { current, beforeName, ...options }: CopyLookedUpOptions,
): Promise<Descriptor> {
  const named = name === undefined ? undefined : { name, target: content, current };
  return await new GraphCopy(source, content, options).copy(root, named, beforeName);
}
