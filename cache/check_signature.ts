import { RemoteClient } from "../registry/client/remote_client.ts";
import type { ImageClient, ImageClientOptions } from "../registry/image_client.ts";
import { formatReference, type Reference } from "../registry/reference.ts";
import type { ContentSource } from "../spec/image/content.ts";
import type { Descriptor } from "../spec/image/descriptor.ts";
import { MAX_MANIFEST_BYTES } from "../spec/image/manifest.ts";
import {
  type AttachmentSource,
  collectionAttachments,
  repositoryAttachments,
} from "../store/attachments/attachment_source.ts";
import type { TrustedSigner } from "../store/attachments/trusted_signer.ts";
import { type SignedDocument, verifySignature } from "../store/attachments/verify_signature.ts";
import type { ContentStore } from "../store/content/content_store.ts";
import { LayoutClient } from "../store/images/layout_client.ts";
import { readContent } from "../store/moving/read_content.ts";

/** Sources of the signatures of an image. */
export interface SignaturePlaces {
  /** The store, which may have signatures that were copied with the image. */
  readonly store: ContentStore;
  /** Client that the image comes from. */
  readonly client: ImageClient;
  /** Name of the image. */
  readonly reference: Reference;
  /** Credentials, policy and callbacks. */
  readonly options: ImageClientOptions;
}

/**
 * Verifies that a signer has signed an image that is in the store or will be stored.
 *
 * @throws {SignatureError} If no signature is valid.
 */
export async function checkSignature(
  document: SignedDocument,
  signer: TrustedSigner,
  places: SignaturePlaces,
): Promise<void> {
  const { store, reference, options: { signal } } = places;
  const name = formatReference(reference);
  const origin = originOf(places);
  const sources = [collectionAttachments(store), ...origin];
  const isStoredOnly = origin.length === 0;
  await verifySignature(sources, document, signer, { name, isStoredOnly, signal });
}

/** A place that has a document and its signatures. */
interface SignedContent {
  /** Location of the document, for errors. */
  readonly label: string;
  readonly content: ContentSource;
  readonly attachments: AttachmentSource;
}

/**
 * Verifies that a signer has signed a document of any kind at a place.
 *
 * @throws {SignatureError} If no signature there is valid.
 */
export async function checkContent(
  { label, content, attachments }: SignedContent,
  descriptor: Descriptor,
  signer: TrustedSigner,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = await readContent(content, descriptor, MAX_MANIFEST_BYTES, signal);
  await verifySignature([attachments], { descriptor, bytes }, signer, { name: label, signal });
}

/** Returns the source of the image, or nothing if the policy forbids contacting it. */
function originOf(
  { client, reference, options }: SignaturePlaces,
): readonly AttachmentSource[] {
  if (client instanceof LayoutClient) return [collectionAttachments(client.collection)];
  if (options.pullPolicy === "Never") return [];
  if (client instanceof RemoteClient) {
    const { auth, caCerts, onWarning } = options;
    return [repositoryAttachments(client, reference, { auth, caCerts, onWarning })];
  }
  throw new TypeError(
    'Cannot verify signatures: "client" must be a RemoteClient or a LayoutClient',
  );
}
