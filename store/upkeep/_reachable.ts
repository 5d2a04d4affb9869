import { type Digest, isDigest } from "../../spec/digest.ts";
import { unlessThrown } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import {
  bareDescriptor,
  type Descriptor,
  readLooseDescriptors,
} from "../../spec/image/descriptor.ts";
import { parseImageConfig } from "../../spec/image/image_config.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { isObject } from "../../spec/json.ts";
import { parseJson } from "../../spec/json_reader.ts";
import type { ContentStore } from "../content/content_store.ts";

/** References of a stored document to other content. */
interface Node {
  /** Entries of an index. */
  readonly entries: readonly Descriptor[];
  /** Config and layers of a manifest. */
  readonly parts: readonly Descriptor[];
  /** Subject, which signatures have. */
  readonly subject: Digest | undefined;
  /** DiffIDs of a config. */
  readonly diffIds: readonly Digest[];
}

/** Everything that is reachable from some descriptors. */
export interface Reachable {
  /** Descriptors of the content, whether the store has it or not, by digest. */
  readonly descriptors: ReadonlyMap<Digest, Descriptor>;
  /** Configs and layers of manifests. An index, by contrast, may lack any of its entries. */
  readonly parts: ReadonlySet<Digest>;
  /** The layers of each image, as DiffIDs, the base first. */
  readonly images: readonly { readonly layers: readonly { readonly diffId: Digest }[] }[];
}

export interface ReachableOptions {
  /** Documents, such as signatures, that are reachable if their subject is. */
  readonly candidates?: Iterable<Descriptor> | undefined;
  /** Called with each descriptor on the way, also if another one has the same digest. */
  readonly onDescriptor?: ((descriptor: Descriptor) => Promise<void>) | undefined;
  /** Called with each document whose bytes do not match its digest. */
  readonly onDamaged?: ((digest: Digest, error: unknown) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Follows descriptors through indexes and manifests, and finds everything that is reachable.
 *
 * Documents are read leniently: everything that looks like a descriptor counts, so that a new or
 * unusual document does not cost any content. Content that the store lacks references nothing.
 *
 * @param roots Descriptors to start from.
 */
export async function findReachable(
  store: ContentStore,
  roots: Iterable<Descriptor>,
  { candidates = [], onDescriptor, onDamaged = () => {}, signal }: ReachableOptions = {},
): Promise<Reachable> {
  const descriptors = new Map<Digest, Descriptor>();
  const allParts = new Set<Digest>();
  const images: { layers: { diffId: Digest }[] }[] = [];
  const nodes = new Map<Digest, Promise<Node>>();
  const nodeOf = (descriptor: Descriptor) => {
    const { digest } = descriptor;
    // A candidate stays a document where another one lists it as a blob.
    if (!mayReference(descriptor)) return nodes.get(digest) ?? NOTHING;
    return nodes.getOrInsertComputed(digest, () => readNode(store, descriptor, onDamaged));
  };
  const referrers = new Map<Digest, Descriptor[]>();
  for (const candidate of candidates) {
    signal?.throwIfAborted();
    const { subject } = await nodeOf(candidate);
    if (subject !== undefined) referrers.getOrInsert(subject, []).push(candidate);
  }
  const pending = [...roots];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    signal?.throwIfAborted();
    if (onDescriptor !== undefined) await onDescriptor(next);
    const known = descriptors.get(next.digest);
    // Another document may list a document as a blob.
    if (known !== undefined && (mayReference(known) || !mayReference(next))) continue;
    descriptors.set(next.digest, next);
    const { entries, parts, diffIds } = await nodeOf(next);
    for (const found of [entries, parts, referrers.get(next.digest) ?? []]) {
      for (const descriptor of found) pending.push(descriptor);
    }
    for (const { digest } of parts) allParts.add(digest);
    if (diffIds.length > 0) images.push({ layers: diffIds.map((diffId) => ({ diffId })) });
  }
  return { descriptors, parts: allParts, images };
}

const NOTHING: Node = { entries: [], parts: [], subject: undefined, diffIds: [] };

/** Whether content may have descriptors or DiffIDs. Layers are not JSON. */
function mayReference({ mediaType }: Descriptor): boolean {
  return isDocumentMediaType(mediaType) || mediaType.endsWith("json");
}

async function readNode(
  store: ContentStore,
  { digest, size }: Descriptor,
  onDamaged: (digest: Digest, error: unknown) => void,
): Promise<Node> {
  try {
    // Configs of images are small, and those of artifacts reference nothing. The size is not
    // compared, because it may be wrong.
    const bytes = await store.readBlob({ digest });
    if (bytes === undefined) return NOTHING;
    const value = parseJson(bytes, digest);
    if (!isObject(value)) return NOTHING;
    const { manifests, config, layers, blobs, subject } = value;
    return {
      entries: readPlain(manifests),
      parts: [[config], layers, blobs].flatMap(readPlain),
      subject: readLooseDescriptors([subject])[0]?.digest,
      diffIds: diffIdsIn(bytes),
    };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof LimitError) return NOTHING;
    // Only held documents have no size here, and another process may still be writing them.
    if (size === 0) return NOTHING;
    onDamaged(digest, error);
    return NOTHING;
  }
}

/** Reads descriptors without their annotations, which may have megabytes. */
function readPlain(list: unknown): readonly Descriptor[] {
  return readLooseDescriptors(list).map(bareDescriptor);
}

/** Returns the DiffIDs of a config; none for any other document. */
function diffIdsIn(bytes: Uint8Array): readonly Digest[] {
  return unlessThrown(() => parseImageConfig(bytes), SyntaxError)?.diffIds.filter(isDigest) ?? [];
}
