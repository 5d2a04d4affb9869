import { copy } from "../../../cache/moving/moving.ts";
import { pushStored } from "../../../cache/moving/push_stored.ts";
import { formatReference, parseReference, type Repository } from "../../../registry/reference.ts";
import { openClient, readAuth } from "../../access/client.ts";
import {
  digestStart,
  isReference,
  locateImage,
  locateOutside,
  readSource,
  withoutAlias,
} from "../../access/references.ts";
import { openStore, storePath } from "../../access/store.ts";
import {
  checkTransferOptions,
  isPipe,
  repositoryOf,
  runTransfer,
  targetsOf,
  transferAll,
  type TransferBatches,
  transferOptions,
  type TransferResult,
} from "../../access/transfer.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addTransferOptions, type TransferOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image in the store, in a layout or in an archive")
    .argument("[dest]", "destination (default: the name of the image)")
    .description(
      "Pushes an image from the store to a registry without changing its bytes. Skips blobs that " +
        "are there already, and mounts blobs from other repositories of the registry. Pushes all " +
        "platforms if the store has them; otherwise pushes the one that it has.",
    )
    .hint("-a", 'Use "--all-tags"');
  return addTransferOptions(described).notes(`
Prints DEST@DIGEST.

Examples:
  oci push localhost:5000/app:1
  oci push alpine:3.20 localhost:5000/alpine:3.20
  oci push --platform linux/arm64 ghcr.io/owner/app:1 registry.example/app:1-arm64
  oci push oci:./layout:v1 localhost:5000/app:v1
  oci push --all-tags ghcr.io/owner/app registry.example/app
  oci push --user ci --password-stdin ghcr.io/owner/app:1 < token`);
}

export async function run(session: Session): Promise<void> {
  const [text = "", target = text] = session.operands;
  const held = digestStart(text) === undefined ? undefined : await locateImage(session, text);
  const name = held?.transport === "oci" ? `@${held.digest}` : withoutAlias(text);
  const outside = locateOutside(name);
  // A name stored by another tool may not be valid in a registry.
  const to = session.operands[1] === undefined && !isReference(name)
    ? noTarget(name)
    : readSource(target);
  checkTransferOptions(session, to);
  const { allTags, allPlatforms, json } = session.options<TransferOptions>();
  const auth = await readAuth(session);
  using client = await openClient(session);
  const options = {
    ...transferOptions(session, client),
    // Only an archive may need temporary space outside of the store.
    store: outside?.transport === "oci" ? undefined : storePath(session),
    onWait: session.note,
    allPlatforms,
    auth,
  };
  const results: TransferResult[] = [];
  const pushOne = async (from: string, goal: typeof to, batches?: TransferBatches) => {
    session.workOn(from);
    const { result, partialPlatform } = await runTransfer(session, from, goal, (onProgress) => {
      return outside === undefined
        ? pushStored(from, goal, { ...options, layout: batches?.layout, onProgress })
        : copy(outside, goal, { ...options, targetAuth: auth, onProgress });
    }, batches).catch((error) => {
      // Only a name in the store may be invalid.
      if (error instanceof SyntaxError) readSource(from);
      throw error;
    });
    results.push(result);
    if (partialPlatform !== undefined) {
      session.warn(
        `pushed only ${partialPlatform} of ${from}: the store lacks the rest; ` +
          'to push all of it, fetch it with "oci pull --all-platforms"',
      );
    }
  };
  if (!allTags) await pushOne(name, to);
  else {
    const [repository, targetOf] = [repositoryOf(name, readSource(name)), targetsOf(target, to)];
    const tags = await storedTags(session, repository);
    if (tags.length === 0) {
      throw new UsageError(`the store has no tag of "${name}"`, 'See "oci images"');
    }
    await transferAll(session, to, async (batches) => {
      for (const tag of tags) {
        await pushOne(formatReference({ ...repository, tag }), targetOf(tag), batches);
      }
    });
  }
  if (json && !isPipe(to)) await session.output.json(allTags ? results : results[0]);
}

function noTarget(name: string): never {
  throw new UsageError(`"${name}" does not name a registry`, "Specify DEST");
}

/** Returns the tags of a repository in the store. */
async function storedTags(
  session: Session,
  { registry, repository }: Repository,
): Promise<readonly string[]> {
  const store = await openStore(session);
  return (await store.references()).flatMap(({ name }) => {
    if (!isReference(name)) return [];
    const stored = parseReference(name);
    const isOfRepository = stored.registry === registry && stored.repository === repository;
    return isOfRepository && stored.tag !== undefined && stored.digest === undefined
      ? [stored.tag]
      : [];
  });
}
