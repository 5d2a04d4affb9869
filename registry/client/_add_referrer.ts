import { digestOf } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { OCI_INDEX } from "../../spec/image/media_types.ts";
import { NotFoundError } from "../errors.ts";
import type { Repository } from "../reference.ts";
import { referrersTag } from "../referrers.ts";
import type { PushManifestOptions } from "../remote_client_options.ts";
import type { RemoteClient } from "./remote_client.ts";

/**
 * Adds a manifest to the index under the referrers tag of its subject, in registries without the
 * referrers API.
 */
export async function addReferrer(
  client: RemoteClient,
  repository: Repository,
  subject: Pick<Descriptor, "digest">,
  entry: Descriptor,
  options: PushManifestOptions,
): Promise<void> {
  const { digest } = subject;
  const tag = referrersTag(digest);
  const reference = { ...repository, tag };
  const index = await readIndex(client, reference, options);
  if (index.manifests.some((known) => known.digest === entry.digest)) return;
  const next = { ...index, manifests: [...index.manifests, entry] };
  const bytes = new TextEncoder().encode(JSON.stringify(next));
  const descriptor = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
  await client.pushManifest(reference, descriptor, bytes, options);
}

interface RawIndex {
  readonly [member: string]: unknown;
  readonly manifests: readonly { readonly digest?: unknown }[];
}

/** The current index, including unknown members. */
async function readIndex(
  client: RemoteClient,
  reference: Repository & { readonly tag: string },
  options: PushManifestOptions,
): Promise<RawIndex> {
  try {
    const { bytes, value } = await client.document(reference, options);
    if (value.kind === "index") return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
  }
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
}
