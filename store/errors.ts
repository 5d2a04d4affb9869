import type { Digest } from "../spec/digest.ts";
import { OciError, type OciErrorOptions } from "../spec/errors.ts";

/** Thrown when a directory is not a store or has invalid content. */
export class StoreError extends OciError {
  /** The directory or file. */
  readonly path: string;

  /** Creates the error for a path; `problem` is the cause in words. */
  constructor(problem: string, path: string, options: OciErrorOptions = {}) {
    super(problem, { subject: path, ...options });
    this.path = path;
  }
}

/** Reason why the directory of a store, or a directory in it, is not trusted. */
export type DirectoryFault = "symlink" | "dangling" | "not-directory" | "owner" | "writable";

/** Options for {@linkcode UntrustedStoreError}. */
export interface UntrustedStoreErrorOptions extends ErrorOptions {
  /** User ID of the directory's owner. */
  readonly owner?: number | null | undefined;
  /** Permissions of the directory. */
  readonly mode?: number | null | undefined;
}

/**
 * Thrown when another user can write to a store or may have done so. The content of a store decides
 * what its user runs, so the store is rejected, just as ssh rejects such a key.
 */
export class UntrustedStoreError extends StoreError {
  /** Reason why the directory is not trusted. */
  readonly fault: DirectoryFault;
  /** User ID of the directory's owner, on systems that have owners. */
  readonly owner: number | undefined;
  /** Permissions of the directory, on systems that have permissions. */
  readonly mode: number | undefined;

  /** Creates the error for the directory of a store, or a directory in it. */
  constructor(fault: DirectoryFault, path: string, options: UntrustedStoreErrorOptions = {}) {
    const { owner, mode, ...rest } = options;
    const [problem, advice] = describe(fault, options);
    super(problem, path, {
      ...rest,
      code: "untrusted-store",
      action: `use the store directory "${path}"`,
      advice,
    });
    this.fault = fault;
    this.owner = owner ?? undefined;
    this.mode = mode === null || mode === undefined ? undefined : mode & 0o7777;
  }
}

function describe(
  fault: DirectoryFault,
  { owner, mode }: UntrustedStoreErrorOptions,
): readonly [problem: string, advice: string] {
  switch (fault) {
    case "symlink":
      return ["it is a symlink", "Choose the directory that it leads to"];
    case "dangling":
      return ["it is a dangling symlink", "Create its target, or choose another directory"];
    case "not-directory":
      return ["it is not a directory", "Choose another path"];
    case "owner":
      return [`it belongs to user ${owner}`, "Choose a directory that belongs to you"];
    case "writable":
      return [
        `other users can write to it (mode ${((mode ?? 0) & 0o7777).toString(8)})`,
        'Run "chmod -R go-w" on the store, or choose another directory',
      ];
  }
}

/** Reason why a file of a store is rejected. */
export type FileFault =
  | "symlink"
  | "directory"
  | "special"
  | "owner"
  | "writable"
  | "hard-link"
  | "changing"
  | "syntax"
  | "shape";

const FAULTS: Readonly<Record<FileFault, string>> = {
  symlink: "it is a symlink",
  directory: "it is a directory",
  special: "it is not a regular file",
  owner: "it belongs to another user",
  writable: "it is writable by other users",
  "hard-link": "it has several names (hard links)",
  changing: "it keeps changing",
  syntax: "it is not JSON",
  shape: "its JSON has an unexpected structure",
};

/** Options for {@linkcode StoreFileError}. */
export interface StoreFileErrorOptions extends ErrorOptions {
  /** User ID of the file's owner, if the owner is the problem. */
  readonly owner?: number | undefined;
}

/** Thrown when a file of a store is damaged or cannot be trusted. */
export class StoreFileError extends StoreError {
  /** Reason why the file is rejected. */
  readonly fault: FileFault;
  /** User ID of the file's owner, if the owner is the problem. */
  readonly owner: number | undefined;

  /** Creates the error for a file that could not be read or written; `advice` is a sentence. */
  constructor(
    fault: FileFault,
    path: string,
    verb: "read" | "write",
    advice: string,
    options: StoreFileErrorOptions = {},
  ) {
    const { owner, ...rest } = options;
    const problem = owner === undefined ? FAULTS[fault] : `it belongs to user ${owner}`;
    super(problem, path, { ...rest, code: "store-file", action: `${verb} "${path}"`, advice });
    this.fault = fault;
    this.owner = owner;
  }
}

/**
 * Thrown when a store is on a file system without locks, such as some network file systems. Two
 * commands could then write the same files at once.
 */
export class LockUnsupportedError extends StoreError {
  /** Type of the file system, such as `nfs`, if known. */
  readonly fileSystem: string | undefined;

  /** Creates the error for a file that could not be locked. */
  constructor(path: string, fileSystem: string | undefined, options?: ErrorOptions) {
    const type = fileSystem === undefined ? "" : ` (${fileSystem})`;
    super(`its file system${type} does not support locks`, path, {
      ...options,
      code: "no-locks",
      action: `lock "${path}"`,
      advice: "Choose a store on a local disk",
    });
    this.fileSystem = fileSystem;
  }
}

/**
 * Thrown when the disk or the user's quota is full. The downloaded part is kept, so that the next
 * download resumes it.
 */
export class DiskFullError extends OciError {
  /** The file that could not grow. */
  readonly path: string;
  /** The blob that was being written. */
  readonly digest: Digest;
  /** Number of bytes that are kept. */
  readonly size: number;

  /** Creates the error for a blob whose first `size` bytes are kept in `path`. */
  constructor(digest: Digest, path: string, size: number, options?: ErrorOptions) {
    super(size === 0 ? "the disk is full" : `the disk is full after ${size} bytes`, {
      ...options,
      code: "disk-full",
      action: `store ${digest} in "${path}"`,
      subject: path,
      advice: `Free some space and try again${size === 0 ? "" : "; the downloaded part is kept"}`,
    });
    this.digest = digest;
    this.path = path;
    this.size = size;
  }
}

/** Options for {@linkcode UnpackError}. */
export interface UnpackErrorOptions extends OciErrorOptions {
  /** Whether another process is unpacking into the directory. */
  readonly isBusy?: boolean | undefined;
}

/** Thrown when an image cannot be unpacked into a directory. */
export class UnpackError extends OciError {
  /** The directory, or the path that is missing in the image. */
  readonly path: string;
  /** Whether another process is unpacking into the directory, in which case a retry may succeed. */
  readonly isBusy: boolean;

  /** Creates the error for a path; `problem` is the cause in words. */
  constructor(problem: string, path: string, options: UnpackErrorOptions = {}) {
    const { isBusy = false, ...rest } = options;
    super(problem, { subject: path, ...rest });
    this.path = path;
    this.isBusy = isBusy;
  }
}

/** Thrown when a bundle cannot be made, used or removed. */
export class BundleError extends OciError {
  /** Directory of the bundle. */
  readonly path: string;

  /** Creates the error for the directory of a bundle; `problem` is the cause in words. */
  constructor(problem: string, path: string, options: OciErrorOptions = {}) {
    super(problem, { subject: path, ...options });
    this.path = path;
  }
}

/** Options for {@linkcode RuntimeError}. */
export interface RuntimeErrorOptions extends OciErrorOptions {
  /**
   * Exit code that shells use for the failure.
   *
   * @default {1}
   */
  readonly exitCode?: number | undefined;
}

/** Thrown when a runtime is missing or cannot start a container. */
export class RuntimeError extends OciError {
  /** Name or path of the runtime. */
  readonly runtime: string;
  /** Lines of output from the runtime. */
  readonly details: readonly string[];
  /** 127 if the command was not found, 126 if it cannot be executed, as in shells; else 1. */
  readonly exitCode: number;

  /** Creates the error; `problem` is the cause in words. */
  constructor(
    problem: string,
    runtime: string,
    details: readonly string[] = [],
    options: RuntimeErrorOptions = {},
  ) {
    const { exitCode = 1, ...rest } = options;
    super(problem, { subject: runtime, ...rest });
    this.runtime = runtime;
    this.details = details;
    this.exitCode = exitCode;
  }
}

/**
 * What is wrong with an archive: it is not an archive of images (`"format"`), its compression is not
 * supported (`"compression"`), it is damaged or truncated (`"damaged"`), its entries could mislead a
 * reader (`"hostile"`), a part of an image is missing (`"incomplete"`), or the requested image is
 * missing (`"absent"`) or not unique (`"ambiguous"`).
 */
export type ArchiveFault =
  | "format"
  | "compression"
  | "damaged"
  | "hostile"
  | "incomplete"
  | "absent"
  | "ambiguous";

const ARCHIVE_ADVICE: Readonly<Record<ArchiveFault, string>> = {
  format: 'Choose a file that "docker save", "podman save" or skopeo wrote',
  compression: "Decompress it first",
  damaged: "Save or copy it again",
  hostile: "Do not extract it with other tools, and report it to its author",
  incomplete: "Save or copy it again",
  absent: "Check the path and the name after it",
  ambiguous: "Choose one by its name",
};

/** Thrown when an archive of images cannot be read. None of its content was stored. */
export class ArchiveError extends OciError {
  /** The archive, as the caller named it. */
  readonly path: string;
  /** What is wrong with the archive. */
  readonly fault: ArchiveFault;

  /** Creates the error; `problem` says what is wrong with the archive. */
  constructor(path: string, fault: ArchiveFault, problem: string, options?: ErrorOptions) {
    super(problem, {
      ...options,
      code: "archive",
      action: `read the archive "${path}"`,
      subject: path,
      advice: ARCHIVE_ADVICE[fault],
    });
    this.path = path;
    this.fault = fault;
  }
}

/** Thrown when a file of an artifact cannot be written or packed under its name. */
export class ArtifactFileError extends OciError {
  /** Name of the file in the artifact. */
  readonly title: string;

  /** Creates the error; `problem` says what is wrong with the name or the file. */
  constructor(title: string, problem: string, options: OciErrorOptions = {}) {
    super(problem, {
      ...options,
      code: "artifact-file",
      action: `use the file ${JSON.stringify(title)} of an artifact`,
      subject: title,
    });
    this.title = title;
  }
}

/** Maximum number of reasons that the message of a {@linkcode SignatureError} lists. */
const MAX_REASONS = 3;

/** Thrown when an image has no valid signature by the required signer. */
export class SignatureError extends OciError {
  /** Name of the image. */
  readonly image: string;
  /** Number of signatures that were found. */
  readonly signatures: number;
  /** What is wrong with them, each reason once. */
  readonly reasons: readonly string[];

  /**
   * Creates the error for an image with a number of signatures.
   *
   * @param isStoredOnly Whether the pull policy restricted the lookup to the store.
   */
  constructor(
    image: string,
    signatures: number,
    reasons: readonly string[],
    isStoredOnly: boolean = false,
  ) {
    const none = isStoredOnly ? "the store has no signature of it" : "it has no signature";
    const found = signatures === 0
      ? reasons.length === 0 ? none : "its signatures cannot be read"
      : signatures === 1
      ? "its signature is not valid"
      : `none of its ${signatures} signatures is valid`;
    const more = reasons.length > MAX_REASONS ? "; …" : "";
    const shown = reasons.length === 0
      ? ""
      : `: ${reasons.slice(0, MAX_REASONS).join("; ")}${more}`;
    super(found + shown, {
      code: signatures + reasons.length === 0 ? "unsigned" : "signature",
      action: `verify "${image}"`,
      subject: image,
      advice: "Ask its owner for a signature, and check the trusted signer",
      option: isStoredOnly ? "pullPolicy" : "verify",
    });
    this.image = image;
    this.signatures = signatures;
    this.reasons = reasons;
  }
}
