import type { CopiedImage, CopyOptions, PushedImage } from "../../cache/moving/moving_options.ts";
import type { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImagePullAuth } from "../../registry/image_client.ts";
import { type ImageLocation, isArchiveLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { LayoutWriter } from "../../store/moving/layout_writer.ts";
import { UsageError } from "../frame/errors.ts";
import type { TransferOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import { formatBytes } from "../terminal/format.ts";
import type { ProgressWords } from "../terminal/progress.ts";
import { isRepository, pinned } from "./references.ts";

/** A copied or pushed image. */
type Transferred = CopiedImage & Partial<PushedImage>;

/** JSON form of a transfer. */
export interface TransferResult extends Omit<CopiedImage, "descriptor" | "isPart"> {
  readonly source: string;
  readonly digest: string;
  readonly mediaType: string;
}

/**
 * Checks that the options of a transfer are compatible with each other and with its target.
 *
 * @throws {UsageError} If they are not.
 */
export function checkTransferOptions(session: Session, { transport }: ImageLocation): void {
  const { sparse, allPlatforms } = session.options<TransferOptions>();
  const platforms = platformsOf(session);
  if (allPlatforms && transport === "docker-archive") {
    throw new UsageError(
      '"--all-platforms" needs several platforms, and a docker-archive contains one',
      'Write an "oci-archive:"',
    );
  }
  if (sparse && platforms.length === 0) {
    throw new UsageError('"--sparse" requires "--platform"', "Specify each platform to keep");
  }
  if (platforms.length > 1 && !sparse) {
    throw new UsageError("an image of several platforms needs its index", 'Add "--sparse"');
  }
}

function platformsOf(session: Session): readonly string[] {
  return session.options<TransferOptions>().platforms?.flat() ?? [];
}

export function transferOptions(
  session: Session,
  client: RemoteClient,
): Omit<CopyOptions, "sourceAuth" | "targetAuth"> {
  const { sparse, withReferrers, copyForeign, dryRun, jobs } = session.options<
    TransferOptions
  >();
  const { signal, warn: onWarning } = session;
  return {
    client,
    platforms: platformsOf(session),
    sparse,
    withReferrers,
    foreignLayers: copyForeign ? "copy" : "skip",
    dryRun,
    jobs,
    signal,
    onWarning,
    output: { write: (bytes) => session.output.bytes(bytes) },
  };
}

/** Words for the progress of a copy to a registry, layout or archive. */
export const TRANSFER_WORDS: ProgressWords = {
  unit: "blob",
  transferring: "copying",
  transferred: "copied",
  present: "already present, or mounted",
  unchanged: "already present",
};

/**
 * Runs transfers of `--all-tags`. Those to a layout share a writer, which records names in batches,
 * because each change writes all names of the layout.
 */
export async function transferAll(
  session: Session,
  to: ImageLocation,
  transfer: (all: TransferBatches) => Promise<void>,
): Promise<void> {
  if (to.transport !== "oci") return await transfer(new TransferBatches(session, undefined));
  const { LayoutWriter } = await import("../../store/moving/layout_writer.ts");
  await using layout = await LayoutWriter.create(to.path, session.signal);
  const all = new TransferBatches(session, layout);
  try {
    await transfer(all);
  } catch (error) {
    // The error to report is the first one.
    await all.finish().catch(() => {});
    throw error;
  }
  await all.finish();
  await layout.commit();
}

/** Prints the images of several transfers, once their names are recorded. */
export class TransferBatches {
  readonly layout: LayoutWriter | undefined;
  readonly #session: Session;
  #lines: string[] = [];
  #count = 0;

  constructor(session: Session, layout: LayoutWriter | undefined) {
    this.#session = session;
    this.layout = layout;
  }

  /** Prints the line of an image, perhaps later. */
  async print(line: string): Promise<void> {
    this.#lines.push(line);
    // Batches that grow with the layout keep the time for a name constant.
    if (this.layout === undefined || this.#lines.length * 8 > ++this.#count) await this.finish();
  }

  /** Records and prints all images so far. */
  async finish(): Promise<void> {
    await this.layout?.record();
    if (!this.#session.options().json) await this.#session.output.lines(this.#lines);
    this.#lines = [];
  }
}

/**
 * Runs a transfer with progress, and prints its result unless stdout receives the image.
 *
 * @param batches Prints the line of the image.
 * @throws {UsageError} If the image would go to a terminal.
 */
export async function runTransfer(
  session: Session,
  source: string,
  to: ImageLocation,
  transfer: (onProgress: NonNullable<CopyOptions["onProgress"]>) => Promise<Transferred>,
  batches: TransferBatches = new TransferBatches(session, undefined),
): Promise<Transferred & { readonly result: TransferResult }> {
  const { dryRun } = session.options<TransferOptions>();
  const isStdout = isPipe(to);
  if (isStdout) refuseTerminal();
  let done: Transferred;
  {
    await using progress = dryRun ? undefined : session.showProgress(TRANSFER_WORDS);
    done = await transfer((event) => progress?.report(event));
  }
  const { target, descriptor: { digest, mediaType }, bytes, copied, skipped } = done;
  if (dryRun) {
    session.note(`would copy ${copied} blobs and manifests, ${formatBytes(bytes)}, to ${target}`);
  }
  const isReported = platformsOf(session).length > 0 || done.partialPlatform !== undefined;
  if (to.transport === "docker-archive" && done.isPart && !isReported) {
    const verb = dryRun ? "would copy" : "copied";
    session.note(`${verb} only the manifest ${digest} of the multi-platform image ${source}`);
  }
  if (!isStdout) await batches.print(pinned(target, digest));
  return { ...done, result: { source, target, digest, mediaType, bytes, copied, skipped } };
}

/**
 * Refuses to write an archive to a terminal.
 *
 * @throws {UsageError} If stdout is one.
 */
export function refuseTerminal(): void {
  if (!Deno.stdout.isTerminal()) return;
  throw new UsageError(
    "cannot write an archive to a terminal",
    "Redirect stdout or specify a file",
  );
}

/** Returns whether a location is an archive on stdin or stdout. */
export function isPipe(location: ImageLocation): boolean {
  return isArchiveLocation(location) && location.path === "-";
}

/**
 * Returns the repository of a location without a tag.
 *
 * @throws {UsageError} If the location is not a repository.
 */
export function repositoryOf(text: string, location: ImageLocation): Reference {
  if (location.transport === "docker" && isRepository(text)) return location.reference;
  throw new UsageError(
    `"--all-tags" needs a repository, and "${text}" is not one`,
    location.transport === "docker"
      ? "Leave out the tag"
      : "Specify one, such as ghcr.io/owner/app",
  );
}

/**
 * Returns the target of each tag for `--all-tags`: a tag of a repository, or a name in a layout.
 *
 * @throws {UsageError} If the location is neither a repository nor a layout.
 */
export function targetsOf(text: string, location: ImageLocation): (tag: string) => ImageLocation {
  if (location.transport === "oci") {
    if (location.name === undefined && !location.digest) return (name) => ({ ...location, name });
    const problem = `"--all-tags" needs a layout, and "${text}" is one image of it`;
    throw new UsageError(problem, `Write "oci:${location.path}"`);
  }
  const repository = repositoryOf(text, location);
  return (tag) => ({ transport: "docker", reference: { ...repository, tag } });
}

/** Returns the credential for the target, or else the source. Within one registry, both get it. */
export function authOf(
  from: ImageLocation,
  to: ImageLocation,
  auth: ImagePullAuth | undefined,
): Pick<CopyOptions, "sourceAuth" | "targetAuth"> {
  if (to.transport !== "docker") return { sourceAuth: auth };
  const isSame = from.transport === "docker" &&
    from.reference.registry === to.reference.registry;
  return { targetAuth: auth, sourceAuth: isSame ? auth : undefined };
}
