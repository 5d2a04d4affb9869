import type { Command } from "commander";
import { formatReference, type Reference } from "../registry/mod.ts";
import { type Digest, formatPlatform } from "../spec/mod.ts";
import type { Image } from "../store/mod.ts";
import { addRegistryOptions } from "./_options.ts";
import { type FoundSource, openPuller } from "./_puller.ts";
import { readSource } from "./_references.ts";
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
  oci pull oci:./layout:v1
  oci pull --user ci --password-stdin registry.example/app:1 < token
  oci pull --progress json alpine:3.20 2> progress.ndjson`,
  );
}

/** Runs `oci pull`. */
export async function run(session: Session): Promise<void> {
  const { json } = session.options();
  const sources = session.operands.map(readSource);
  using puller = await openPuller(session);
  const results: PullResult[] = [];
  for (const [i, source] of sources.entries()) {
    session.workOn(session.operands[i] ?? "");
    const { reference, pull } = await puller.find(source);
    session.workOn(formatReference(reference));
    const result = await pullOne(session, reference, pull);
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
  reference: Reference,
  pull: FoundSource["pull"],
): Promise<PullResult> {
  const fetched = new Set<Digest>();
  using progress = showProgress(session);
  const image = await pull((event) => {
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
