import type { ImageProgress } from "../../../registry/image_client.ts";
import { formatReference, type Reference } from "../../../registry/reference.ts";
import type { Digest } from "../../../spec/digest.ts";
import { formatPlatform, type Platform } from "../../../spec/platform.ts";
import type { Image } from "../../../store/images/image.ts";
import { type FoundSource, isArtifactError, openPuller } from "../../access/puller.ts";
import { pinned, readSource } from "../../access/references.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addLimitOption } from "../../frame/limits.ts";
import { addRegistryOptions, type RegistryOptions, VERIFYING } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";
import { imageSize } from "../../terminal/format.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref...>", "images to pull")
    .option("--all-platforms", "pull all platforms of each image", { conflicts: ["--platform"] })
    .option("--unpack", 'also extract the layers for overlay bundles (see "oci bundle")')
    .description(
      "Pulls images into the store, for one platform or for all. Verifies every blob against its " +
        "digest before it becomes visible. Resumes interrupted downloads, and skips blobs that are " +
        "already in the store.",
    )
    .hint("-o --output --format", 'Write an archive or a layout with "oci copy"')
    .hint("-a --all-tags", 'Copy a repository with "oci copy --all-tags NAME oci:DIR"');
  return addRegistryOptions(addLimitOption(described), { features: VERIFYING }).notes(`
Prints REFERENCE@DIGEST for each image. The digest is that of the index of a multi-platform image.

With --verify, looks for signatures in the store, and then where the image comes from. An identity
is a URI or an email address in the certificate of the signer; a regular expression must match all
of it. "oci copy --store DIR --with-referrers" copies the signatures of an image into a store.

Examples:
  oci pull alpine:3.20
  oci pull --platform linux/arm64 ghcr.io/owner/app:1
  oci pull --all-platforms ghcr.io/owner/app:1
  oci pull --unpack alpine:3.20
  oci pull --policy always --json localhost:5000/app | jq -r '.[0].digest'
  oci pull --verify key=cosign.pub ghcr.io/owner/app:1
  oci pull --verify identity=ann@example.com,issuer=https://accounts.google.com ghcr.io/owner/app:1
  oci pull oci:./layout:v1
  oci pull --user ci --password-stdin registry.example/app:1 < token
  oci pull --progress json alpine:3.20 2> progress.ndjson`);
}

interface PullOptions extends RegistryOptions {
  readonly allPlatforms?: true | undefined;
  readonly unpack?: true | undefined;
}

export async function run(session: Session): Promise<void> {
  const { json, allPlatforms } = session.options<PullOptions>();
  session.operands.forEach(refusePath);
  const sources = session.operands.map(readSource);
  using puller = await openPuller(session);
  const results: PullResult[] = [];
  for (const [i, source] of sources.entries()) {
    session.workOn(session.operands[i] ?? "");
    // All platforms come from one index, even if the tag moves in between.
    const all = allPlatforms ? await puller.platforms(source) : undefined;
    const platforms = all === undefined || all.platforms.length === 0 ? [undefined] : all.platforms;
    const found = await puller.find(source, all?.digest);
    session.workOn(formatReference(found.reference));
    const pulled: PullResult[] = [];
    for (const platform of platforms) {
      try {
        const { image, result } = await pullOne(session, found, platform);
        pulled.push(result);
        if (allPlatforms && pulled.length === platforms.length) await found.complete(image);
      } catch (error) {
        if (!isArtifactError(error)) throw error;
        pulled.push(await pullArtifact(session, found));
      }
    }
    results.push(...pulled);
    const lines = new Set(pulled.map((result) => pinned(result.reference, result.digest)));
    if (!json) await session.output.lines([...lines]);
  }
  if (json) await session.output.json(results);
}

/** Refuses a path to pull into, which other tools take after the image. */
function refusePath(text: string, i: number, [source]: readonly string[]): void {
  // With a slash or a colon, it may be the name of an image or of an archive to read.
  const isPath = /^(?:[^:/]+\.(?:tar|tgz)$|\.{0,2}\/)/i.test(text);
  if (i === 0 || !isPath) return;
  const isArchive = /\.(?:tar|tgz)$/i.test(text);
  const target = `${isArchive ? "docker-archive" : "oci"}:${text}`;
  throw new UsageError(
    `"${text}" is a path, and images are pulled into the store`,
    `Write "oci copy ${source} ${target}"`,
    { subject: text },
  );
}

/** JSON form of a pulled image. */
interface PullResult {
  readonly reference: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly platform: string;
  readonly size: number;
  readonly layers: readonly {
    readonly digest: Digest;
    /** Absent for artifacts. */
    readonly diffId?: Digest;
    readonly size: number;
    readonly mediaType: string;
    readonly status: "fetched" | "cached";
  }[];
}

async function pullOne(
  session: Session,
  found: FoundSource,
  platform: Platform | undefined,
): Promise<{ readonly image: Image; readonly result: PullResult }> {
  const { unpack } = session.options<PullOptions>();
  const fetched = new Set<Digest>();
  await using progress = session.showProgress();
  const report = (event: ImageProgress) => {
    if (event.phase === "done" && event.digest && !event.cached) fetched.add(event.digest);
    progress.report(event);
  };
  const image = unpack
    ? await found.prepare(report, { platform })
    : await found.pull(report, platform);
  return { image, result: describePull(found.reference, image, fetched) };
}

/** Pulls an artifact, such as a chart or a signature. */
async function pullArtifact(session: Session, found: FoundSource): Promise<PullResult> {
  await using progress = session.showProgress();
  const { reference, document, isCached } = await found.artifact(progress.report);
  const { descriptor: { digest, mediaType }, value: { kind, value } } = document;
  const layers = kind === "manifest" ? value.layers : value.manifests;
  const status = isCached ? "cached" as const : "fetched" as const;
  return {
    reference: formatReference(reference),
    digest,
    mediaType,
    platform: "",
    size: kind === "manifest" ? imageSize(value) : layers.reduce((sum, { size }) => sum + size, 0),
    layers: layers.map(({ digest, size, mediaType }) => ({ digest, size, mediaType, status })),
  };
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
