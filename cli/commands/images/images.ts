import { formatReference } from "../../../registry/reference.ts";
import { describeError } from "../../../spec/error_facts.ts";
import { DigestMismatchError } from "../../../spec/errors.ts";
import type { ContentStore } from "../../../store/content/content_store.ts";
import { isReference, isRepository, readReference } from "../../access/references.ts";
import { openExistingStore } from "../../access/store.ts";
import {
  describeStored,
  type StoredContent,
  storedEntries,
  type StoredEntry,
  type StoredImage,
  withShares,
} from "../../access/stored_images.ts";
import type { Command } from "../../frame/command.ts";
import type { Session } from "../../frame/session.ts";
import { formatBytes, formatTable, shortDigest } from "../../terminal/format.ts";

const HEADING = ["REFERENCE", "DIGEST", "PLATFORMS", "PULLED", "SIZE", "UNIQUE"] as const;

export function define(command: Command): Command {
  return command
    .argument("[ref]", "list only the images of this repository, or with this name")
    .description(
      "Lists the images in the store: the digest of each reference, and how many of its " +
        "platforms are complete. SIZE counts the complete platforms, and UNIQUE the part of SIZE " +
        "that no other image in the store shares. Images without a name come last.",
    )
    .hint("-a --all", "Leave it out; all images are listed")
    .notes(`
Unlike docker and podman, -q does not list only IDs. Print them from the JSON document.

Examples:
  oci images
  oci images ghcr.io/owner/app
  oci images --json | jq -r '.[].digest'`);
}

export async function run(session: Session): Promise<void> {
  const [name] = session.operands;
  // Throws if the text is not a name at all.
  if (name === "") readReference(name);
  const store = await openExistingStore(session);
  const contents: StoredContent[] = [];
  // Many names may have the same image.
  const known = new Map<string, Promise<StoredContent>>();
  for (const entry of await storedEntries(store)) {
    session.signal.throwIfAborted();
    session.workOn(entry.name ?? entry.descriptor.digest);
    contents.push(await describeOne(session, store, entry, known));
  }
  session.workOn("");
  // Other images count in the shared sizes.
  const images = withShares(contents).filter((image) => {
    return name === undefined || isNamed(image, name);
  });
  await session.print(images, formatTable([HEADING, ...images.map(row)], [4, 5]));
}

/** Whether an image has a name in full or short, also with its digest, or any name of a repository. */
function isNamed({ reference, digest }: StoredImage, name: string): boolean {
  if (reference === null || reference === name) return reference !== null;
  if (!isReference(reference) || !isReference(name)) return false;
  const [own, asked] = [readReference(reference), readReference(name)];
  if (own.registry !== asked.registry || own.repository !== asked.repository) return false;
  const { tag = own.tag } = asked;
  return isRepository(name) || formatReference(own) === formatReference(asked) ||
    (asked.digest === digest && tag === own.tag);
}

/** Describes an entry. If its documents are damaged, warns and leaves out the details. */
async function describeOne(
  session: Session,
  store: ContentStore,
  entry: StoredEntry,
  known: Map<string, Promise<StoredContent>>,
): Promise<StoredContent> {
  try {
    const { mediaType, digest, size, platform } = entry.descriptor;
    const key = JSON.stringify([mediaType, digest, size, platform]);
    const content = known.getOrInsertComputed(key, () => describeStored(store, entry));
    const { image, blobs } = await content;
    return { image: { ...image, reference: entry.name }, blobs };
  } catch (error) {
    if (!(error instanceof DigestMismatchError || error instanceof SyntaxError)) throw error;
    const { name, descriptor: { digest, mediaType } } = entry;
    session.warn(`${name ?? digest} is damaged: ${describeError(error)}. Pull it again`);
    const image = { reference: name, digest, mediaType, size: 0, platforms: [] };
    return { image, blobs: new Map() };
  }
}

function row({ reference, digest, platforms, size, uniqueSize }: StoredImage): readonly string[] {
  const complete = platforms.filter((platform) => platform.complete);
  return [
    reference ?? "-",
    shortDigest(digest),
    complete.map(({ platform }) => platform || "-").join(",") || "-",
    `${complete.length} of ${platforms.length}`,
    formatBytes(size),
    formatBytes(uniqueSize),
  ];
}
