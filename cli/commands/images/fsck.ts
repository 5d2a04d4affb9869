import { parseReference } from "../../../registry/reference.ts";
import { unlessThrown } from "../../../spec/error_facts.ts";
import type { ContentSource } from "../../../spec/image/content.ts";
import type { Finding, FindingKind, StoreCheck } from "../../../store/upkeep/fsck_options.ts";
import { openClient, readAuth } from "../../access/client.ts";
import { openExistingStore } from "../../access/store.ts";
import type { Command } from "../../frame/command.ts";
import { addLoginOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";
import { formatBytes } from "../../terminal/format.ts";

export function define(command: Command): Command {
  const described = command
    .description(
      "Verifies the store: the digest of every blob, the content that every name refers to, " +
        "and that every extracted layer is recorded as complete. Does not compare the files of " +
        "extracted layers.",
    )
    .option("--repair", "move damaged blobs to quarantine/ in the store and fetch them again");
  return addLoginOptions(described).notes(`
Prints one line per finding. Exits with 1 if damage remains.

Examples:
  oci fsck
  oci fsck --repair
  oci fsck --json | jq '.findings[].subject'`);
}

const MEANINGS: Readonly<Record<FindingKind, string>> = {
  version: "is missing or damaged, so other tools do not accept the store",
  index: "is missing or cannot be read, so the names of the images are unknown",
  entry: "has another size or media type than its entry",
  descriptor: "has an entry that is not a valid descriptor",
  corrupt: "does not match its digest",
  missing: "is missing",
  incomplete: "has no platform in the store",
  stray: "is not a blob",
  layer: "is incomplete",
};

export async function run(session: Session): Promise<number> {
  const { repair = false } = session.options<{ repair?: true }>();
  const { fsck } = await import("../../../store/upkeep/fsck.ts");
  const store = await openExistingStore(session, { damaged: true });
  await using resources = new AsyncDisposableStack();
  const sourceOf = repair ? await openSources(session, resources) : undefined;
  const check = await fsck(store, { repair, sourceOf, signal: session.signal });
  await session.print(check, describe(check));
  const isSound = check.findings.every(({ repaired }) => repaired);
  if (!isSound && !repair) session.note('repair the store with "oci fsck --repair"');
  return isSound ? 0 : 1;
}

/** Returns a function that opens the repository of a name as the source of missing content. */
async function openSources(
  session: Session,
  resources: AsyncDisposableStack,
): Promise<(name: string) => ContentSource | undefined> {
  const { RepositoryContent } = await import("../../../registry/client/repository_content.ts");
  const client = resources.use(await openClient(session));
  const auth = await readAuth(session);
  return (name) => {
    // A name that another tool wrote need not be a valid reference.
    const repository = unlessThrown(() => parseReference(name), SyntaxError);
    return repository && new RepositoryContent(client, repository, { auth });
  };
}

function describe({ blobs, bytes, findings }: StoreCheck): readonly string[] {
  const checked = `${blobs} ${blobs === 1 ? "blob" : "blobs"}, ${formatBytes(bytes)}`;
  const { length: count } = findings;
  const repaired = findings.filter(({ repaired }) => repaired).length;
  const result = count === 0
    ? "no damage"
    : `${count} ${count === 1 ? "problem" : "problems"}, ${repaired} repaired`;
  return [...findings.map(line), `checked ${checked}: ${result}`];
}

function line({ kind, subject, names, repaired, reason }: Finding): string {
  const used = names.length > 0 ? ` (${names.join(", ")})` : "";
  const outcome = repaired ? "repaired" : reason === undefined ? "" : `not repaired: ${reason}`;
  return `${subject} ${MEANINGS[kind]}${used}${outcome && `; ${outcome}`}`;
}
