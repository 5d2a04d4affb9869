import {
  findReference,
  LayoutIndex,
  type StoredReference,
} from "../../../store/content/layout_index.ts";
import { digestStart, readReference, withoutAlias } from "../../access/references.ts";
import { openExistingStore } from "../../access/store.ts";
import { storedEntries, type StoredEntry } from "../../access/stored_images.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError, UsageError } from "../../frame/errors.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  return command
    .argument("[ref...]", "names to remove, in full or short, or digests of images without a name")
    .description(
      "Removes names from the store, all or none of them. The content stays on disk until it is " +
        "pruned.",
    )
    .option("-a, --all", "remove all names, and images without a name")
    .option("--prune", "also remove content that no other name refers to")
    .hint("-f --force", "Leave it out; names are removed without asking")
    .notes(`
Examples:
  oci rm alpine:3.20
  oci rm sha256:0123456789ab
  oci rm --all --prune
  oci rm --prune ghcr.io/owner/app:1 ghcr.io/owner/app:2`);
}

export async function run(session: Session): Promise<void> {
  const { all, prune } = session.options<{ all?: true; prune?: true }>();
  const { operands } = session;
  if (all && operands.length > 0) {
    throw new UsageError('names and "--all" cannot be combined', "Leave out one of them");
  }
  if (!all && operands.length === 0) {
    throw new UsageError("<ref> is missing", 'Write "oci rm <ref...>"');
  }
  const store = await openExistingStore(session);
  const entries = await storedEntries(store);
  const found = all ? entries : operands.map((text) => {
    session.workOn(text);
    return find(entries, text);
  });
  const { signal } = session;
  const names = new Set(await store.untag(found.flatMap(({ name }) => name ?? []), signal));
  const unnamed = new Set(
    found.flatMap(({ name, descriptor: { digest } }) => name === null ? digest : []),
  );
  if (unnamed.size > 0) {
    const index = new LayoutIndex(store.path, { onWait: store.onWait });
    await index.dropEntries((digest) => unnamed.has(digest), signal);
  }
  const document = found.filter(({ name }) => name === null || names.has(name))
    .map(({ name, descriptor }) => ({ reference: name, digest: descriptor.digest }));
  if (prune) {
    const { freedLine, pruneStore } = await import("./prune.ts");
    const pruning = await pruneStore(session);
    session.note(freedLine(pruning.removed, pruning.bytes));
  }
  await session.print(
    document,
    document.map(({ reference, digest }) => {
      return reference ?? `@${digest}`;
    }),
  );
}

/** Returns the entry of a name, or of the digest of an entry without one. */
function find(entries: readonly StoredEntry[], text: string): StoredEntry {
  const named = entries.filter((entry): entry is StoredReference => entry.name !== null);
  const found = findReference(named, withoutAlias(text)) ?? findReference(named, text) ??
    findUnnamed(entries, text);
  if (found !== undefined) return found;
  // Throws if the text is not a name at all.
  if (digestStart(text) === undefined) readReference(text);
  throw new CommandError(
    `cannot remove "${text}": not found in the store`,
    'List its images with "oci images"',
    { code: "not-in-store", subject: text },
  );
}

/** Finds the entry without a name for the start of a digest, as `oci images` prints it. */
function findUnnamed(entries: readonly StoredEntry[], text: string): StoredEntry | undefined {
  const start = digestStart(text);
  if (start === undefined) return undefined;
  const found = entries.filter(({ descriptor: { digest } }) => digest.startsWith(start));
  const [first, second] = found.filter(({ name }) => name === null);
  if (second !== undefined) {
    throw new CommandError(
      `cannot remove "${text}": several digests start like this`,
      "Specify more digits",
      { subject: text },
    );
  }
  const [{ name = null } = {}] = found;
  if (first === undefined && name !== null) {
    throw new CommandError(
      `cannot remove "${text}": it has a name`,
      `Remove the name "${name}"`,
      { subject: text },
    );
  }
  return first;
}
