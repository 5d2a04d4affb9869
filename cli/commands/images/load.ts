import { formatReference } from "../../../registry/reference.ts";
import { loadArchive } from "../../../store/archives/load_archive.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { printable } from "../../terminal/format.ts";
import type { Session } from "../../frame/session.ts";
import { openStore } from "../../access/store.ts";

/** Describes `oci load`. */
export function define(command: Command): Command {
  return command
    .argument("<file>", 'archive to load; "-" is stdin')
    .description(
      "Loads the images of an archive into the store. It may be an OCI archive or an archive of " +
        "docker, plain or compressed with gzip or zstd. All of it is verified before anything is " +
        "stored.",
    )
    .notes(`
Prints REFERENCE@DIGEST for each image. A full name in the archive stays. A name that is only a tag
becomes localhost/FILE:TAG, after the name of the file; an image without a name gets none.

Examples:
  oci load app.tar
  docker save alpine:3.20 | oci load -
  oci load --json app.tar.zst | jq -r '.[].digest'`);
}

/** Runs `oci load`. */
export async function run(session: Session): Promise<void> {
  const [file = ""] = session.operands;
  if (file === "-" && Deno.stdin.isTerminal()) {
    throw new UsageError(
      "cannot read an archive from a terminal; redirect stdin or specify a file",
    );
  }
  const loaded = await loadArchive(await openStore(session), file, { signal: session.signal });
  const results = loaded.map(({ reference, descriptor }) => ({
    reference: reference === undefined ? null : formatReference(reference),
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
  }));
  await session.print(
    results,
    results.map(({ reference, digest }) => printable(`${reference ?? ""}@${digest}`)),
  );
}
