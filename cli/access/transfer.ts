import type { CopiedImage, CopyOptions } from "../../cache/copy_options.ts";
import type { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { ImagePullAuth } from "../../registry/image_client.ts";
import { UsageError } from "../frame/errors.ts";
import type { TransferOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import { formatBytes } from "../terminal/format.ts";
import { isReference } from "./references.ts";
import { showProgress } from "./show_progress.ts";

/** What `--json` prints of a transfer. */
export interface TransferResult {
  readonly source: string;
  readonly target: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: number;
  readonly copied: number;
  readonly skipped: number;
}

/**
 * Checks that the options of a transfer go together.
 *
 * @throws {UsageError} If they do not.
 */
export function checkTransferOptions(session: Session): void {
  const { platforms = [], allPlatforms, sparse } = session.options<TransferOptions>();
  if (allPlatforms && platforms.length > 0) {
    throw new UsageError('"--platform" and "--all-platforms" cannot be combined');
  }
  if (sparse && platforms.length === 0) {
    throw new UsageError('"--sparse" leaves platforms out; name the others with "--platform"');
  }
  if (platforms.length > 1 && !sparse) {
    throw new UsageError('an image of several platforms needs its index; add "--sparse"');
  }
}

/** The options of the library for a transfer. */
export function transferOptions(
  session: Session,
  client: RemoteClient,
): Omit<CopyOptions, "sourceAuth" | "targetAuth"> {
  const { platforms, sparse, withReferrers, dryRun, jobs } = session.options<TransferOptions>();
  const { signal, warn: onWarning } = session;
  return {
    ...{ client, platforms, sparse, withReferrers, dryRun, jobs, signal, onWarning },
    output: { write: (bytes) => session.output.bytes(bytes) },
  };
}

const TRANSFER_WORDS = { transferred: "copied", present: "already there, or mounted" };

/**
 * Runs one transfer, with progress, and prints its line, unless stdout takes the image itself.
 *
 * @throws {UsageError} If that is a terminal.
 */
export async function runTransfer<T extends CopiedImage>(
  session: Session,
  source: string,
  to: ImageLocation,
  transfer: (onProgress: NonNullable<CopyOptions["onProgress"]>) => Promise<T>,
): Promise<T & { readonly result: TransferResult }> {
  const { dryRun, json } = session.options<TransferOptions>();
  const isStdout = isPipe(to);
  if (isStdout && Deno.stdout.isTerminal()) {
    throw new UsageError("an archive is not for a terminal; redirect it, or name a file");
  }
  let done: T;
  {
    using progress = dryRun ? undefined : showProgress(session, TRANSFER_WORDS);
    done = await transfer((event) => progress?.report(event));
  }
  const { target, descriptor: { digest, mediaType }, bytes, copied, skipped } = done;
  if (dryRun) {
    session.note(`would copy ${copied} blobs and manifests, ${formatBytes(bytes)}, to ${target}`);
  }
  if (!json && !isStdout) await session.output.text(pinned(target, digest));
  return { ...done, result: { source, target, digest, mediaType, bytes, copied, skipped } };
}

/** Whether a location is an archive that goes to stdout, or comes from stdin. */
export function isPipe(location: ImageLocation): boolean {
  return location.transport.endsWith("-archive") && "path" in location && location.path === "-";
}

/** A place with the digest of what is there. */
function pinned(target: string, digest: string): string {
  return target.endsWith(`@${digest}`) ? target : `${target}@${digest}`;
}

/**
 * The repository that a location without a tag names.
 *
 * @throws {UsageError} If it is none.
 */
export function repositoryOf(text: string, location: ImageLocation): Reference {
  if (location.transport === "docker" && isReference(`${text}:latest`)) return location.reference;
  throw new UsageError(
    `"--all-tags" copies between repositories, and "${text}" is none; leave its tag out`,
  );
}

/** The side that a credential of the command line is for: both only within one registry. */
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
