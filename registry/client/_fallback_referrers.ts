import { type Digest, digestOf } from "../../spec/digest.ts";
import { describeError } from "../../spec/error_facts.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";
import { OCI_INDEX } from "../../spec/image/media_types.ts";
import { referrersTag } from "../../spec/image/referrers.ts";
import { NotFoundError, RegistryError } from "../errors.ts";
import type { Reference, Repository } from "../reference.ts";
import type {
  DocumentOptions,
  PushManifestOptions,
  RemoteOptions,
} from "../remote_client_options.ts";
import { Semaphore } from "../tasks/semaphore.ts";
import { ifFound } from "./_manifests.ts";

/** The methods of a client that read and write documents. */
interface DocumentClient {
  /** Downloads a manifest or an index. */
  document(
    reference: Reference,
    options: DocumentOptions,
  ): Promise<ImageDocument<ManifestDocument>>;
  /** Uploads a manifest or an index. */
  pushManifest(
    reference: Reference,
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    options: PushManifestOptions,
  ): Promise<unknown>;
}

/**
 * Adds a manifest to the index under the referrers tag of its subject, in registries without the
 * referrers API.
 */
export async function addReferrer(
  client: DocumentClient,
  repository: Repository,
  subject: Pick<Descriptor, "digest">,
  entry: Descriptor,
  options: PushManifestOptions,
): Promise<void> {
  await changeList(client, repository, subject.digest, (manifests) => {
    const isListed = manifests.some(({ digest }) => digest === entry.digest);
    return isListed ? manifests : [...manifests, entry];
  }, options);
}

/**
 * Deletes a manifest. If it has a subject, also removes it from the index under the referrers tag
 * of the subject, which registries without the referrers API do not do.
 *
 * See {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#deleting-manifests | Deleting Manifests}.
 */
export async function deleteReferrer(
  client: DocumentClient,
  reference: Repository & { readonly digest: Digest },
  remove: () => Promise<void>,
  options: RemoteOptions,
): Promise<void> {
  const { digest, ...repository } = reference;
  const subject = await findSubject(client, reference, options);
  await remove();
  if (subject === undefined) return;
  try {
    await changeList(client, repository, subject, (manifests) => {
      return manifests.filter((known) => known.digest !== digest);
    }, options);
  } catch (error) {
    // The manifest itself has been deleted.
    options.signal?.throwIfAborted();
    const why = describeError(error);
    options.onWarning?.(`${digest} is still listed as a referrer of ${subject}: ${why}`);
  }
}

/** Returns the digest of the subject of a manifest, if it has one and can be read. */
async function findSubject(
  client: DocumentClient,
  reference: Reference,
  options: RemoteOptions,
): Promise<Digest | undefined> {
  try {
    return (await client.document(reference, options)).value.value.subject?.digest;
  } catch {
    // The deletion itself reports network failures and a missing manifest.
    options.signal?.throwIfAborted();
    return undefined;
  }
}

/** Semaphores with which each client changes one list at a time. */
const SEMAPHORES = new WeakMap<DocumentClient, Semaphore>();

/** Adds entries to the index under the referrers tag of a subject, or removes some. */
async function changeList(
  client: DocumentClient,
  repository: Repository,
  subject: Digest,
  change: (manifests: RawIndex["manifests"]) => RawIndex["manifests"],
  options: PushManifestOptions,
): Promise<void> {
  await SEMAPHORES.getOrInsertComputed(client, () => new Semaphore(1)).run(async () => {
    const list = { ...repository, tag: referrersTag(subject) };
    const index = await readIndex(client, list, subject, options);
    const manifests = change(index.manifests);
    if (manifests.length === index.manifests.length) return;
    try {
      await pushIndex(client, list, index, manifests, options);
    } catch (error) {
      const code = error instanceof RegistryError ? error.registryCode : undefined;
      if (code !== "MANIFEST_BLOB_UNKNOWN") throw error;
      // Another client may have deleted a manifest, but not its entry in the list.
      const missing = await Promise.all(manifests.map(({ digest }) => {
        return isMissing(client, { ...repository, digest }, options);
      }));
      if (!missing.includes(true)) throw error;
      await pushIndex(client, list, index, manifests.filter((_, i) => !missing[i]), options);
    }
  }, options.signal);
}

async function isMissing(
  client: DocumentClient,
  reference: Reference,
  options: RemoteOptions,
): Promise<boolean> {
  try {
    await client.document(reference, { ...options, skipMirrors: true });
    return false;
  } catch (error) {
    options.signal?.throwIfAborted();
    return error instanceof NotFoundError;
  }
}

async function pushIndex(
  client: DocumentClient,
  reference: Repository & { readonly tag: string },
  index: RawIndex,
  manifests: RawIndex["manifests"],
  options: PushManifestOptions,
): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify({ ...index, manifests }));
  const descriptor = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
  await client.pushManifest(reference, descriptor, bytes, options);
}

interface RawIndex {
  readonly [member: string]: unknown;
  readonly manifests: readonly Pick<Descriptor, "digest">[];
}

/**
 * Reads the current index, including unknown members. GitLab returns the subject itself if there is
 * no such tag, and the subject may itself be an index (oras-go#1396).
 */
async function readIndex(
  client: DocumentClient,
  reference: Repository & { readonly tag: string },
  subject: Digest,
  options: PushManifestOptions,
): Promise<RawIndex> {
  // The list of a mirror may be outdated, and newer entries would be lost.
  const found = await ifFound(client.document(reference, { ...options, skipMirrors: true }));
  const isList = found?.value.kind === "index" && found.descriptor.digest !== subject;
  const index = isList ? JSON.parse(new TextDecoder().decode(found.bytes)) : { schemaVersion: 2 };
  // Go encodes an empty list as null. Another tool may have written a list of Docker's type.
  return { ...index, mediaType: OCI_INDEX, manifests: index.manifests ?? [] };
}
