import { copyLocations } from "../../../cache/moving/copy_locations.ts";
import { isArchiveLocation } from "../../../registry/image_location.ts";
import { formatReference } from "../../../registry/reference.ts";
import { openClient, readAuth } from "../../access/client.ts";
import { signerOf } from "../../access/puller.ts";
import { locateImage, readSource } from "../../access/references.ts";
import { storePath } from "../../access/store.ts";
import {
  authOf,
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
import { CommandError } from "../../frame/errors.ts";
import { addTransferOptions, type TransferOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<src>", "image to copy")
    .argument("<dest>", "destination")
    .description(
      "Copies an image between registries, layouts and archives without changing its bytes. " +
        "Streams blobs between registries, mounts them within one registry, and skips blobs that " +
        "the destination has. Copies all platforms of an image, except to a docker-archive, which " +
        "contains one: that of --platform, or else this machine's. With --store, keeps an image of " +
        "a registry in the store on the way.",
    );
  return addTransferOptions(described, ["verify"]).notes(`
Prints DEST@DIGEST. The options for logging in apply to the registry of DEST, or to that of SRC if
DEST is not in a registry. Other credentials are those of docker and podman.

Examples:
  oci copy alpine:3.20 localhost:5000/alpine:3.20
  oci copy --platform linux/arm64 alpine:3.20 oci:./layout:alpine
  oci copy --sparse --platform linux/amd64 alpine:3.20 oci:./layout:sparse
  oci copy --with-referrers ghcr.io/owner/app:1 registry.example/app:1
  oci copy --store ./images ghcr.io/owner/app:1 registry.example/app:1
  oci copy --all-tags ghcr.io/owner/app localhost:5000/app
  oci copy --all-tags ghcr.io/owner/app oci:./layout
  oci copy --dry-run oci:./layout:v1 localhost:5000/app:v1`);
}

export async function run(session: Session): Promise<void> {
  const [source = "", target = ""] = session.operands;
  const [from, to] = [await locateImage(session, source), readSource(target)];
  checkTransferOptions(session, to);
  const { allTags, json } = session.options<TransferOptions>();
  const auth = authOf(from, to, await readAuth(session));
  using client = await openClient(session);
  const keep = session.options().store !== undefined;
  // Only an archive may need temporary space.
  const store = keep || isArchiveLocation(from) ? storePath(session) : undefined;
  const verify = await signerOf(session);
  const options = { ...transferOptions(session, client), ...auth, store, keep, verify };
  const results: TransferResult[] = [];
  const copyOne = async (
    name: string,
    image: typeof from,
    goal: typeof to,
    batches?: TransferBatches,
  ) => {
    const { result } = await runTransfer(session, name, goal, (onProgress) => {
      return copyLocations(image, goal, { ...options, layout: batches?.layout, onProgress });
    }, batches);
    results.push(result);
  };
  if (!allTags) await copyOne(source, from, to);
  else {
    const [repository, targetOf] = [repositoryOf(source, from), targetsOf(target, to)];
    const { signal } = session;
    const all = client.tags(repository, { auth: auth.sourceAuth, signal });
    await transferAll(session, to, async (batches) => {
      for await (const tag of verify === undefined ? all : tagsOfImages(session, all)) {
        const reference = { ...repository, tag };
        const name = formatReference(reference);
        session.workOn(name);
        await copyOne(name, { transport: "docker", reference }, targetOf(tag), batches);
      }
    });
    // Some registries keep a repository after its last tag has been deleted.
    if (results.length === 0) {
      throw new CommandError(
        `cannot copy "${source}": the repository has no tags`,
        "Check its name",
        { subject: source },
      );
    }
  }
  if (json && !isPipe(to)) await session.output.json(allTags ? results : results[0]);
}

/** Leaves out the tags of signatures and other attachments, which are not signed themselves. */
async function* tagsOfImages(session: Session, all: AsyncIterable<string>): AsyncGenerator<string> {
  const { isAttachmentTag } = await import("../../../cache/moving/copy_signatures.ts");
  const { withReferrers } = session.options<TransferOptions>();
  let leftOut = 0;
  for await (const tag of all) {
    if (isAttachmentTag(tag)) leftOut++;
    else yield tag;
  }
  if (leftOut === 0 || withReferrers) return;
  session.note(`tags of signatures left out: ${leftOut}. Add --with-referrers to copy signatures`);
}
