import { formatReference, parseReference, type Reference } from "../../registry/reference.ts";
import { isDigest } from "../../spec/digest.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import { findHeld, type FindHeldOptions, type Held } from "../../store/content/find_held.ts";
import { findReference, type StoredReference } from "../../store/content/layout_index.ts";
import { StoreError } from "../../store/errors.ts";
import { readStoredDocument } from "../../store/images/stored_document.ts";

/**
 * Finds the stored document of a name, which other tools may have written in any form. Protects it
 * and everything that it refers to against pruning.
 *
 * @param action Verb for the error message.
 */
export async function findStored(
  store: ContentStore,
  reference: Reference | string,
  action: string,
  options: Omit<FindHeldOptions<StoredReference>, "blobsOf">,
): Promise<Held<StoredReference>> {
  return await findHeld(store, () => findDocument(store, reference, action), {
    ...options,
    blobsOf: ({ descriptor }) => [descriptor],
  });
}

/** Finds the document of `@DIGEST`, which need not have a name. */
async function findByDigest(
  store: ContentStore,
  name: string,
): Promise<StoredReference | undefined> {
  const digest = name.slice(1);
  if (!name.startsWith("@") || !isDigest(digest)) return undefined;
  const document = await readStoredDocument(store, { digest });
  return document && { name, descriptor: document.descriptor };
}

async function findDocument(
  store: ContentStore,
  reference: Reference | string,
  action: string,
): Promise<StoredReference> {
  const text = typeof reference === "string" ? reference : formatReference(reference);
  const found = findReference(await store.references(), text) ?? await findByDigest(store, text);
  if (found !== undefined) return found;
  const isName = typeof reference === "string" && !reference.startsWith("@");
  const full = isName ? formatReference(parseReference(reference)) : text;
  throw new StoreError("the store does not have it", store.path, {
    code: "not-in-store",
    action: `${action} "${full}"`,
    subject: full,
    advice: "Pull it first",
  });
}
