import type { Command } from "commander";
import { formatReference, type ImageProgress, type Reference } from "../registry/mod.ts";
import { type Digest, formatPlatform } from "../spec/mod.ts";
import type { Image } from "../store/mod.ts";
import { addRegistryOptions } from "./_options.ts";
import { openPuller, type Puller } from "./_puller.ts";
import { readReference } from "./_references.ts";
import type { Session } from "./_session.ts";
import { showProgress } from "./_show_progress.ts";
import { imageSize } from "./_stored_images.ts";

/** Describes `oci pull`. */
export function define(command: Command): Command {
  const described = command
    .argument("<ref...>", "images to pull")
    .description(
      "Pulls images into the store, each for one platform. Every byte is compared with its " +
        "digest before it becomes visible. What an earlier run left half done is gone on with, " +
        "and what the store has already is not asked for.",
    );
  return addRegistryOptions(described).addHelpText(
    "after",
    `
Prints REFERENCE@DIGEST for each image. The digest is that of the index of a multi-platform image.

Examples:
  oci pull alpine:3.20
  oci pull --platform linux/arm64 ghcr.io/owner/app:1
  oci pull --policy always --json localhost:5000/app | jq -r '.[0].digest'
  oci pull --user ci --password-stdin registry.example/app:1 < token
  oci pull --progress json alpine:3.20 2> progress.ndjson`,
  );
}

/** Runs `oci pull`. */
export async function run(session: Session): Promise<void> {
  const { json } = session.options();
  const references = session.operands.map(readReference);
  using puller = await openPuller(session);
  const results: PullResult[] = [];
  for (const reference of references) {
    session.workOn(formatReference(reference));
    const result = await pullOne(session, puller, reference);
    results.push(result);
    if (!json) await session.output.text(pinned(reference, result.digest));
  }
  if (json) await session.output.json(results);
}

/** What `--json` prints of an image that was pulled. */
interface PullResult {
  readonly reference: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly platform: string;
  readonly size: number;
  readonly layers: readonly {
    readonly digest: Digest;
    readonly diffId: Digest;
    readonly size: number;
    readonly mediaType: string;
    readonly status: "fetched" | "cached";
  }[];
}

async function pullOne(
  session: Session,
  puller: Puller,
  reference: Reference,
): Promise<PullResult> {
  const fetched = new Set<Digest>();
  using progress = showProgress(session);
  const image = await puller.image(reference, (event: ImageProgress) => {
    if (event.phase === "done" && event.digest && !event.cached) fetched.add(event.digest);
    progress.report(event);
  });
  return describePull(reference, image, fetched);
}

function describePull(
  reference: Reference,
  image: Image,
  fetched: ReadonlySet<Digest>,
): PullResult {
  const { digest, indexes, manifest, platform, layers } = image;
  return {
    reference: formatReference(reference),
    digest,
    mediaType: (indexes[0] ?? manifest).descriptor.mediaType,
    platform: formatPlatform(platform),
    size: imageSize(manifest.value),
    layers: layers.map(({ digest, diffId, size, mediaType }) => {
      const status = fetched.has(digest) ? "fetched" : "cached";
      return { digest, diffId, size, mediaType, status };
    }),
  };
}

/** A reference that can never stand for anything else. */
function pinned(reference: Reference, digest: Digest): string {
  return formatReference({ ...reference, digest });
}
