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
 * @example Copy between two places in memory
 * ```ts
 * import { copyGraph, MemoryContent } from "@x/oci/store";
 * import { digestOf, OCI_INDEX } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * const text = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
 * const bytes = new TextEncoder().encode(text);
 * const root = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
 * const [source, target] = [new MemoryContent(), new MemoryContent()];
 * await source.push(root, () => Promise.resolve(new Blob([bytes]).stream()));
 *
 * await copyGraph(source, target, root);
 *
 * assert(await target.exists(root));
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
 * @example Copy and name a document
 * ```ts
 * import { copyNamed, MemoryContent } from "@x/oci/store";
 * import { digestOf, OCI_INDEX } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const text = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
 * const bytes = new TextEncoder().encode(text);
 * const root = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
 * const [source, target] = [new MemoryContent(), new MemoryContent()];
 * await source.push(root, () => Promise.resolve(new Blob([bytes]).stream()));
 *
 * await copyNamed(source, target, root, "v1");
 *
 * assertEquals((await target.resolve("v1"))?.digest, root.digest);
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

/** Options for {@linkcode copyLookedUp}. */
export interface CopyLookedUpOptions extends CopyGraphOptions {
  /** The document that has the name at the target, looked up in parallel with the source. */
  readonly current: Promise<Descriptor | undefined> | undefined;
  /** Called when the document is stored, before it gets its name. */
  readonly beforeName?: (() => Promise<void>) | undefined;
}

/** Copies a document to a target, and gives it the name of the target, if there is one. */
export async function copyLookedUp(
  source: ContentSource,
  { content, name }: Pick<CopyTarget, "content" | "name">,
  root: Descriptor,
  { current, beforeName, ...options }: CopyLookedUpOptions,
): Promise<Descriptor> {
  const named = name === undefined ? undefined : { name, target: content, current };
  return await new GraphCopy(source, content, options).copy(root, named, beforeName);
}
