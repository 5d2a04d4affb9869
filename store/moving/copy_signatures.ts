import type { NamedTarget } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { digestHex } from "../../spec/digest.ts";
import { digestAlgorithm } from "../../spec/digest_algorithm.ts";
import { copyNamed } from "./copy_graph.ts";
import type { CopyGraphOptions } from "./copy_options.ts";
import type { CopySource } from "./endpoint.ts";

/** Suffixes of the tags under which cosign keeps signatures, attestations and SBOMs. */
const SUFFIXES = ["sig", "att", "sbom"];

/** Target of {@linkcode copySignatures}. */
export interface SignatureTarget {
  readonly content: NamedTarget;
  readonly nameOfTag?: ((tag: string) => string | undefined) | undefined;
}

/**
 * Copies what cosign has attached to documents: it has tags of the form `sha256-HEX.sig` in the same
 * repository rather than a `subject`. Copies nothing where one side has no such names.
 */
export async function copySignatures(
  { content: source, nameOfTag: nameAtSource }: CopySource,
  { content, nameOfTag: nameAtTarget }: SignatureTarget,
  documents: readonly Descriptor[],
  options: CopyGraphOptions,
): Promise<void> {
  const { signal } = options;
  const tags = documents.flatMap(({ digest }) => {
    return SUFFIXES.map((suffix) => `${digestAlgorithm(digest)}-${digestHex(digest)}.${suffix}`);
  });
  await Promise.all(tags.map(async (tag) => {
    const [from, to] = [nameAtSource?.(tag), nameAtTarget?.(tag)];
    if (from === undefined || to === undefined) return;
    const found = await source.resolve(from, { signal });
    if (found !== undefined) await copyNamed(source, content, found, to, options);
  }));
}
