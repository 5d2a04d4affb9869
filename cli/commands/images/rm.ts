import { OciError } from "../../../spec/errors.ts";
import { findReference } from "../../../store/content/find_reference.ts";
import type { StoredReference } from "../../../store/content/layout_index.ts";
import type { Command } from "../../frame/command.ts";
import { printable } from "../../terminal/format.ts";
import { readReference } from "../../access/references.ts";
import type { Session } from "../../frame/session.ts";
import { openStore } from "../../access/store.ts";

/** Describes `oci rm`. */
export function define(command: Command): Command {
  return command
    .argument("<ref...>", "names to remove, in full or short")
    .description(
      "Removes names from the store, all or none of them. The content stays on disk until it is " +
        "pruned.",
    )
    .option("--prune", "also remove content that no other name refers to")
    .hint(["-f", "--force"], "leave it out; names are removed without asking")
    .notes(`
Examples:
  oci rm alpine:3.20
  oci rm --prune ghcr.io/owner/app:1 ghcr.io/owner/app:2`);
}

/** Runs `oci rm`. */
export async function run(session: Session): Promise<void> {
  const store = await openStore(session);
  const stored = await store.references();
  const found = session.operands.map((text) => {
    session.workOn(text);
    return find(stored, text);
  });
  const removed = await store.untag(found.map(({ name }) => name), session.signal);
  const document = found.filter(({ name }) => removed.includes(name))
    .map(({ name, descriptor }) => ({ reference: name, digest: descriptor.digest }));
  if (session.options<{ prune?: true }>().prune) {
    const { freedLine, pruneStore } = await import("./prune.ts");
    const pruning = await pruneStore(session);
    session.note(freedLine(pruning.removed, pruning.bytes));
  }
  await session.print(document, document.map(({ reference }) => printable(reference)));
}

/** Returns the reference as stored; other tools may have written any text. */
function find(stored: readonly StoredReference[], text: string): StoredReference {
  const found = findReference(stored, text);
  if (found !== undefined) return found;
  // Throws if the text is not a name at all.
  readReference(text);
  throw new OciError(
    `Cannot remove "${text}": not found in the store; list its images with "oci images"`,
  );
}
