import type { ContentSource, ContentTarget, NamedTarget } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { GraphCopy } from "./_graph_copy.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import type { CopyTarget } from "./endpoint.ts";

/**
 * Copies a document and everything that it references: an index with its manifests, a manifest with
 * its config and layers. The bytes stay the same.
 *
 * Skips content that the target has. A manifest at the target counts as complete, because targets
 * accept it only with its blobs. The manifests of an index at the target are checked, because some
 * indexes are pushed without all of them. Blobs are copied in parallel, each once, however many
 * manifests reference it. A document is stored after everything that it references, and the name
 * last. Large blobs are streamed, never held in memory.
 *
 * @param source Source of the content.
 * @param target Target of the content.
 * @param root The document.
 * @param options Hooks, parallelism and abort signal.
 * @returns The descriptor of the document at the target: `root`, unless a hook replaced something.
 * @throws {DigestMismatchError} If bytes are not those of their descriptor.
 * @throws {LimitError} If a document is too large, or indexes are nested too deep.
 * @throws {OciError} If the media type of `root` is not that of a manifest or an index.
 *
 * @example Read an image into memory
 * ```ts
 * import { parseReference, RemoteClient, RepositoryContent } from "@x/oci/registry";
 * import { copyGraph, MemoryContent } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const reference = parseReference("alpine:3.20");
 * using client = new RemoteClient();
 * const root = await client.resolve(reference);
 * const memory = new MemoryContent();
 *
 * await copyGraph(new RepositoryContent(client, reference), memory, root);
 *
 * assert(await memory.exists(root));
 * ```
 */
export async function copyGraph(
  source: ContentSource,
  target: ContentTarget,
  root: Descriptor,
  options: CopyGraphOptions = {},
): Promise<Descriptor> {
  return await new GraphCopy(source, target, options).copy(root);
}

/**
 * Copies a document like {@linkcode copyGraph}, and names it at the target after everything else is
 * stored.
 *
 * @param source Source of the content.
 * @param target Target of the content.
 * @param root The document.
 * @param name Name of the document at the target.
 * @param options Hooks, parallelism and abort signal.
 * @returns The descriptor of the document at the target.
 *
 * @example Copy an image to another repository
 * ```ts
 * import { parseReference, RemoteClient, RepositoryContent } from "@x/oci/registry";
 * import { copyNamed } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const [from, to] = [parseReference("alpine:3.20"), parseReference("localhost:5000/base:v1")];
 * using client = new RemoteClient();
 * const source = new RepositoryContent(client, from);
 * const target = new RepositoryContent(client, to, { isTarget: true });
 * const root = await client.resolve(from);
 *
 * await copyNamed(source, target, root, "v1");
 *
 * assertEquals((await client.resolve(to)).digest, root.digest);
 * ```
 */
export async function copyNamed(
  source: ContentSource,
  target: NamedTarget,
  root: Descriptor,
  name: string,
  options: CopyGraphOptions = {},
): Promise<Descriptor> {
  return await new GraphCopy(source, target, options).copy(root, { name, target });
}

export interface CopyToTargetOptions extends CopyGraphOptions {
  /** The document that has the name at the target, looked up in parallel with the source. */
  readonly current?: Promise<Descriptor | undefined> | undefined;
  /** Called after the document is stored and before it is named. */
  readonly beforeName?: (() => Promise<void>) | undefined;
}

/** Copies a document to a target, and gives it the name of the target, if there is one. */
export async function copyToTarget(
  source: ContentSource,
  { content, name }: Pick<CopyTarget, "content" | "name">,
  root: Descriptor,
  { current, beforeName, ...options }: CopyToTargetOptions,
): Promise<Descriptor> {
  const named = name === undefined ? undefined : { name, target: content, current };
  return await new GraphCopy(source, content, options).copy(root, named, beforeName);
}
