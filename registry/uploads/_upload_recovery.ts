import { AuthError, RegistryError } from "../errors.ts";
import { isTransient } from "../transport/retry.ts";

/** State of an upload, on which its recovery depends. */
export interface UploadState {
  /** Whether the last request was to complete the upload. */
  isFinishing: boolean;
  /** Number of requests to complete this upload that were answered with 500. */
  failedFinishes: number;
  /** Whether the bytes came in several requests. */
  hasParts: boolean;
  /** Whether the upload continues an interrupted one. */
  isResumed: boolean;
  /**
   * Whether large bodies are sent in chunks with a length rather than as one stream. That takes
   * three times as long, and not every registry supports several chunks.
   */
  isChunked: boolean;
  /** Whether all bytes are sent with the request that completes the upload. */
  isWhole: boolean;
  /** Whether the bytes have been read again because they were wrong. */
  again: boolean;
  /** Number of restarts without progress. */
  restarts: number;
}

/**
 * What to do after a failed request of an upload.
 *
 * - `give-up`: report the failure.
 * - `resume`: pause, then continue at the offset that the registry reports.
 * - `check-offset`: continue at the offset that the registry reports; if it is still the same, in
 *   chunks, or else in another stream.
 * - `send-chunks`: continue in chunks, whose length is known.
 * - `shrink-chunks`: continue in smaller chunks.
 * - `restart`: begin again.
 * - `restart-stream`: begin again, with all bytes in one stream.
 * - `restart-whole`: begin again, with all bytes in the request that completes the upload.
 * - `reread`: begin again with bytes from another source, if there is one.
 */
export type Recovery =
  | "give-up"
  | "resume"
  | "check-offset"
  | "send-chunks"
  | "shrink-chunks"
  | "restart"
  | "restart-stream"
  | "restart-whole"
  | "reread";

/**
 * Chooses the recovery of an upload that has begun: the first rule that applies wins.
 *
 * @param canShrink Whether smaller chunks are possible.
 */
export function chooseRecovery(
  error: unknown,
  upload: UploadState,
  canShrink: boolean,
): Recovery {
  if (hasSmallPart(error, upload)) return "restart-stream";
  if (isTransient(error)) return "resume";
  if (!(error instanceof RegistryError)) return "give-up";
  if (rejectsPatch(error, upload)) return "restart-whole";
  if (error instanceof AuthError) return "give-up";
  // The registry has more bytes than it reported, because an earlier connection ended late; it
  // rejects a large body with a range (ghcr.io: more than 4 MiB); or it has reported a wrong offset
  // (Amazon ECR, containers-roadmap#2831).
  if (error.status === 416) return "check-offset";
  if (rejectsStream(error, upload)) return "send-chunks";
  // A proxy may limit bodies, as nginx does to 1 MiB.
  if (error.status === 413 && canShrink) return "shrink-chunks";
  if (hasWrongBytes(error)) return upload.again && !upload.isResumed ? "give-up" : "reread";
  return hasLostUpload(error, upload) ? "restart" : "give-up";
}

/** Amazon ECR answers 500 to the final request if a part is smaller than 5 MiB (regclient#221). */
function hasSmallPart(
  error: unknown,
  { isFinishing, hasParts, failedFinishes }: UploadState,
): boolean {
  return isFinishing && hasParts && failedFinishes > 1 && error instanceof RegistryError &&
    error.status === 500;
}

/** A proxy that does not know `PATCH` may pass `PUT` on. Its 403 has no code of a registry. */
function rejectsPatch(
  { status, registryCode }: RegistryError,
  { isFinishing }: UploadState,
): boolean {
  return !isFinishing && (status === 405 || (status === 403 && registryCode === undefined));
}

/** Some servers reject a body without a length, and others a large one. */
function rejectsStream(
  { status }: RegistryError,
  { isFinishing, isChunked, isWhole }: UploadState,
): boolean {
  return (!isFinishing || isWhole) && !isChunked && [400, 411, 413, 501].includes(status);
}

/** The bytes do not match the digest. Another source may have the right ones. */
function hasWrongBytes({ status, registryCode }: RegistryError): boolean {
  return registryCode === "DIGEST_INVALID" && [400, 404, 410].includes(status);
}

/** The registry has lost the upload, or calls it invalid, which may mean the same. */
function hasLostUpload(
  { status, registryCode }: RegistryError,
  { restarts }: UploadState,
): boolean {
  const isInvalid = status === 400 && registryCode === "BLOB_UPLOAD_INVALID";
  return status === 404 || status === 410 || (isInvalid && restarts === 0);
}
