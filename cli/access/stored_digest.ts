import type { ImageLocation } from "../../registry/image_location.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import { CommandError } from "../frame/errors.ts";
import type { Session } from "../frame/session.ts";
import { digestStart, readSource } from "./references.ts";
import { openExistingStore, storePath } from "./store.ts";

/**
 * Parses the location of an image. A digest or its start, as in `@sha256:0123456789ab`, names an
 * image in the store, which need not have a name.
 *
 * @throws {UsageError} If the text is invalid.
 * @throws {CommandError} If the store does not have the digest, or has several that start like this.
 */
export async function locateImage(session: Session, text: string): Promise<ImageLocation> {
  const start = digestStart(text);
  if (start === undefined) return readSource(text);
  const store = await openExistingStore(session);
  return { transport: "oci", path: store.path, digest: await findDigest(store, start, text) };
}

/** Whether a location is a digest in the store of the command, so that nothing has to be copied. */
export function isInStore(session: Session, location: ImageLocation): boolean {
  return location.transport === "oci" && location.digest !== undefined &&
    location.path === storePath(session);
}

/** Finds the digest of a document in a store by its start. */
async function findDigest(store: ContentStore, start: string, text: string): Promise<Digest> {
  const listed = (await store.descriptors()).map(({ digest }) => digest);
  const [first, second] = new Set(listed.filter((digest) => digest.startsWith(start)));
  if (second !== undefined) {
    throw new CommandError(
      `cannot find "${text}": several digests start like this`,
      "Write more of it",
      { subject: text },
    );
  }
  if (first !== undefined) return first;
  // A manifest of an index is not listed.
  if (isDigest(start) && await store.has({ digest: start })) return start;
  throw new CommandError(
    `cannot find "${text}" in the store`,
    'List its images with "oci images"',
    { subject: text },
  );
}
