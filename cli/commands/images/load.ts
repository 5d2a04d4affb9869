import { load } from "../../../cache/moving/moving.ts";
import { formatReference } from "../../../registry/reference.ts";
import type { LoadedImage } from "../../../store/moving/load_archive.ts";
import { pinned } from "../../access/references.ts";
import { storePath } from "../../access/store.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addLimitOption, ARCHIVE_LIMITS, type LimitOption, limitsOf } from "../../frame/limits.ts";
import { addOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";
import type { ProgressWords } from "../../terminal/progress.ts";

const WORDS: Partial<ProgressWords> = {
  unit: "blob",
  transferring: "loading",
  transferred: "loaded",
};

export function define(command: Command): Command {
  const described = command
    .argument("<file>", 'archive or layout to load; "-" is stdin')
    .description(
      "Loads the images of an OCI archive, a docker archive or an OCI layout in a directory into the " +
        "store. The archive may be compressed with gzip or zstd. All of it is verified before " +
        "anything is stored.",
    )
    .hint("-i --input <file>", 'Give the file as an argument, or "-" for stdin');
  return addOptions(addLimitOption(described, ARCHIVE_LIMITS), ["progress"]).notes(`
Prints REFERENCE@DIGEST for each image. Keeps full names from the archive. A name that is only a tag
becomes localhost/FILE:TAG, after the name of the file. An image without a name stays without one;
other commands accept its digest instead, as in "oci run @sha256:0123456789ab".

Examples:
  oci load app.tar
  docker save alpine:3.20 | oci load -
  oci load --json app.tar.zst | jq -r '.[].digest'`);
}

export async function run(session: Session): Promise<void> {
  const [file = ""] = session.operands;
  if (file === "") throw new UsageError("the file name is empty", "Specify a file");
  if (file === "-" && Deno.stdin.isTerminal()) {
    throw new UsageError(
      "cannot read an archive from a terminal",
      "Redirect stdin or specify a file",
    );
  }
  const loaded = await loadFile(session, file);
  const results = loaded.map(({ reference, descriptor }) => ({
    reference: reference === undefined ? null : formatReference(reference),
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
  }));
  await session.print(
    results,
    results.map(({ reference, digest }) => pinned(reference ?? "", digest)),
  );
}

async function loadFile(session: Session, file: string): Promise<readonly LoadedImage[]> {
  await using progress = session.showProgress(WORDS);
  return await load(file, {
    ...limitsOf(session.options<LimitOption>()),
    store: storePath(session),
    onWait: session.note,
    onProgress: progress.report,
    onWarning: session.warn,
    signal: session.signal,
  });
}
