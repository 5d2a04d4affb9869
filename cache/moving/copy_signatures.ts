import { TaskGroup } from "../../registry/tasks/task_group.ts";
import type { Digest } from "../../spec/digest.ts";
import { LimitError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { digestName } from "../../spec/verifier.ts";
import { DEFAULT_JOBS } from "../../store/host/file_limit.ts";
import { copyNamed } from "../../store/moving/copy_graph.ts";
import type { CopyGraphOptions } from "../../store/moving/copy_options.ts";
import type { CopySource, CopyTarget } from "../../store/moving/endpoint.ts";

/** Suffixes of the tags under which cosign keeps signatures, attestations and SBOMs. */
const SUFFIXES = ["sig", "att", "sbom"];

/** Maximum number of signatures of signatures in a chain. */
const MAX_DEPTH = 8;

export type SignatureTarget = Pick<CopyTarget, "content" | "nameOfTag">;

/**
 * Copies what cosign has attached to documents through tags of the form `sha256-HEX.sig` in the same
 * repository rather than through a `subject`. Signatures of signatures, and their referrers, are
 * copied as well. Copies nothing if either side has no such tags.
 */
export async function copySignatures(
  source: CopySource,
  target: SignatureTarget,
  documents: readonly Descriptor[],
  options: CopyGraphOptions,
): Promise<void> {
  const met = new Set<Digest>();
  const { jobs = DEFAULT_JOBS, signal } = options;
  let level = documents;
  for (let depth = 0; level.length > 0; depth++) {
    const unmet = new Set(level.map(({ digest }) => digest)).difference(met);
    for (const digest of unmet) met.add(digest);
    const tags = [...unmet].flatMap(tagsOf);
    const next: Descriptor[] = [];
    await new TaskGroup(signal).each(tags, 3 * jobs, async (tag) => {
      const copied = await copySignature(source, target, tag, options);
      if (copied.length > 0 && depth >= MAX_DEPTH) {
        throw new LimitError("levels", MAX_DEPTH, depth + 1, "signatures of signatures");
      }
      next.push(...copied);
    });
    level = next;
  }
}

/**
 * Whether a tag names attachments of a document rather than an image: a tag of cosign, or a
 * referrers tag.
 */
export function isAttachmentTag(tag: string): boolean {
  const [, suffix] = /^sha(?:256|512)-[0-9a-f]{64,}(?:\.([a-z]+))?$/.exec(tag) ?? [tag, "none"];
  return suffix === undefined || SUFFIXES.includes(suffix);
}

function tagsOf(digest: Digest): readonly string[] {
  return SUFFIXES.map((suffix) => `${digestName(digest)}.${suffix}`);
}

/** Copies the document of a tag, if it exists, and returns the copied documents. */
async function copySignature(
  { content: source, nameOfTag: nameAtSource }: CopySource,
  { content: target, nameOfTag: nameAtTarget }: SignatureTarget,
  tag: string,
  options: CopyGraphOptions,
): Promise<readonly Descriptor[]> {
  const [from, to] = [nameAtSource?.(tag), nameAtTarget?.(tag)];
  if (from === undefined || to === undefined) return [];
  const found = await source.resolve(from, { signal: options.signal });
  if (found === undefined) return [];
  const documents: Descriptor[] = [];
  const keep = (descriptor: Descriptor) => {
    const { mediaType } = descriptor;
    if (isDocumentMediaType(mediaType)) documents.push(descriptor);
  };
  await copyNamed(source, target, found, to, {
    ...options,
    withReferrers: true,
    after: (_node, stored) => keep(stored),
    skipped: keep,
  });
  return documents;
}
