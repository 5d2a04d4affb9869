import type { PruneOptions, Pruning } from "../../../store/upkeep/prune.ts";
import { openExistingStore } from "../../access/store.ts";
import type { Command } from "../../frame/command.ts";
import { parseAge, parseCount } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";
import { formatBytes, shortDigest } from "../../terminal/format.ts";

export function define(command: Command): Command {
  return command
    .description(
      "Removes unused data from the store: unreferenced blobs, partial downloads older than an hour, " +
        "extracted layers, and bundles of killed processes. Other commands may run at the same time.",
    )
    .option("--dry-run", "show what would be removed without removing it")
    .option("--older-than <age>", "remove only data older than this age, such as 90m, 12h or 7d", {
      parse: parseAge,
    })
    .option("--keep-last <n>", "keep only the n newest names of each repository (default: all)", {
      parse: (text) => parseCount(text, 0),
    })
    .hint("-f --force -a --all", "Leave it out; content that no name refers to is always removed")
    .notes(`
Prints the freed space. With --verbose, also lists each item.

Examples:
  oci prune
  oci prune --dry-run --verbose
  oci prune --keep-last 3 --older-than 7d`);
}

export async function run(session: Session): Promise<void> {
  const { dryRun = false, olderThan: olderThanMs, keepLast } = session.options<
    { dryRun?: true; olderThan?: number; keepLast?: number }
  >();
  const pruning = await pruneStore(session, { dryRun, olderThanMs, keepLast });
  await session.print({ freed: pruning.bytes, ...pruning }, describe(session, pruning, dryRun));
}

/** Prunes the store of a session. */
export async function pruneStore(
  session: Session,
  options: Pick<PruneOptions, "dryRun" | "olderThanMs" | "keepLast"> = {},
): Promise<Pruning> {
  const { prune } = await import("../../../store/upkeep/prune.ts");
  const store = await openExistingStore(session);
  const { signal } = session;
  return await prune(store, { ...options, signal, onWarning: session.warn });
}

function describe(session: Session, pruning: Pruning, dryRun: boolean): readonly string[] {
  const { removed, bytes } = pruning;
  const items = session.options().verbose
    ? removed.map(({ kind, name, bytes }) => {
      const shown = kind === "blob" ? shortDigest(name) : name;
      return `${kind} ${shown}  ${formatBytes(bytes)}`;
    })
    : [];
  return [...items, freedLine(removed, bytes, dryRun)];
}

/** Returns a line with the freed bytes and the number of removed entries. */
export function freedLine(removed: Pruning["removed"], bytes: number, dryRun = false): string {
  const counts = Map.groupBy(removed, ({ kind }) => kind);
  const parts = [...counts].map(([kind, { length }]) => {
    return `${length} ${kind}${length === 1 ? "" : "s"}`;
  });
  const what = parts.length > 0 ? `: ${parts.join(", ")}` : "";
  return `${dryRun ? "would free" : "freed"} ${formatBytes(bytes)}${what}`;
}
