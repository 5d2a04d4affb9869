import type { ContentSource } from "../../spec/content.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import { GraphCopy } from "./_graph_copy.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import type { CopyTarget } from "./endpoint.ts";

/**
 * Copies a document to a target, under the name that the target has for it, if any.
 *
 * @param current What the name stands for at the target, looked up while the source was.
 */
export async function copyLookedUp(
  source: ContentSource,
  { content, name }: Pick<CopyTarget, "content" | "name">,
  root: Descriptor,
  current: Promise<Descriptor | undefined> | undefined,
  options: CopyGraphOptions,
): Promise<Descriptor> {
  const named = name === undefined ? undefined : { name, target: content, current };
  return await new GraphCopy(source, content, options).copy(root, named);
}
