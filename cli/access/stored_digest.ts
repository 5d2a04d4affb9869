import type { LayoutLocation } from "../../registry/image_location.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import { CommandError } from "../frame/errors.ts";
import type { Session } from "../frame/session.ts";
import { openExistingStore } from "./store.ts";

/**
 * Finds the location of a document in the store by the start of its digest.
 *
 * @throws {CommandError} If no digest in the store starts like this, or several do.
 */
export async function locateDigest(
  session: Session,
  start: string,
  text: string,
): Promise<LayoutLocation> {
  const store = await openExistingStore(session);
  return { transport: "oci", path: store.path, digest: await findDigest(store, start, text) };
}

async function findDigest(store: ContentStore, start: string, text: string): Promise<Digest> {
  const listed = (await store.descriptors()).map(({ digest }) => digest);
  const [first, second] = new Set(listed.filter((digest) => digest.startsWith(start)));
  if (second !== undefined) {
    throw new CommandError(
      `cannot find "${text}": several digests start like this`,
      "Specify more digits",
      { subject: text },
    );
  }
  if (first !== undefined) return first;
  // The manifests of an index are not listed.
  if (isDigest(start) && await store.has({ digest: start })) return start;
  throw new CommandError(
    `cannot find "${text}" in the store`,
    'List its images with "oci images"',
    { code: "not-in-store", subject: text },
  );
}
