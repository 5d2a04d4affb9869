import type { Digest } from "../spec/digest.ts";
import { OciError } from "../spec/errors.ts";

/** Thrown when a directory is not a store or has invalid content. */
export class StoreError extends OciError {
  /** The directory or file. */
  readonly path: string;

  /** Creates the error; `message` names the path, what is wrong and what to do. */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** Fault of the directory of a store, or of a directory in it. */
export type DirectoryFault = "symlink" | "dangling" | "not-directory" | "owner" | "writable";

/** Options for {@linkcode UntrustedStoreError}. */
export interface UntrustedStoreErrorOptions extends ErrorOptions {
  /** User ID of the directory's owner. */
  readonly owner?: number | null | undefined;
  /** Permissions of the directory. */
  readonly mode?: number | null | undefined;
}

/**
 * Thrown when another user can write to a store or may have done so. Its content decides what runs
 * as the user of the store, so it is refused, as ssh refuses such keys.
 */
export class UntrustedStoreError extends StoreError {
  /** Fault of the directory. */
  readonly fault: DirectoryFault;
  /** User ID of the directory's owner, where the system has one. */
  readonly owner: number | undefined;
  /** Permissions of the directory, where the system has them. */
  readonly mode: number | undefined;

  /** Creates the error for the directory of a store, or a directory in it. */
  constructor(fault: DirectoryFault, path: string, options: UntrustedStoreErrorOptions = {}) {
    const { owner, mode, ...rest } = options;
    super(`Cannot use the store directory "${path}": ${describe(fault, options)}`, path, rest);
    this.fault = fault;
    this.owner = owner ?? undefined;
    this.mode = mode === null || mode === undefined ? undefined : mode & 0o7777;
  }
}

function describe(fault: DirectoryFault, options: UntrustedStoreErrorOptions): string {
  switch (fault) {
    case "symlink":
      return "it is a symlink; remove it";
    case "dangling":
      return "it is a symlink to nothing; create the directory that it names, or choose another one";
    case "not-directory":
      return "it is not a directory; remove it, or choose another path";
    case "owner":
      return `it belongs to user ${options.owner}; choose a directory of your own`;
    case "writable":
      return `other users can write to it (mode ${((options.mode ?? 0) & 0o7777).toString(8)}); ` +
        'run "chmod -R go-w" on the store, or choose another directory';
  }
}

/** Fault of a file of a store. */
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
  changing: "it is replaced again and again",
  syntax: "it is not JSON",
  shape: "it is JSON, but not of the right kind",
};

/** Options for {@linkcode StoreFileError}. */
export interface StoreFileErrorOptions extends ErrorOptions {
  /** User ID of the file's owner, if that is what is wrong. */
  readonly owner?: number | undefined;
}

/** Thrown when a file of a store is damaged or cannot be trusted. */
export class StoreFileError extends StoreError {
  /** Fault of the file. */
  readonly fault: FileFault;
  /** User ID of the file's owner, if that is what is wrong. */
  readonly owner: number | undefined;

  /** Creates the error for a file that could not be read or written. */
  constructor(
    fault: FileFault,
    path: string,
    verb: "read" | "write",
    remedy: string,
    options: StoreFileErrorOptions = {},
  ) {
    const { owner, ...rest } = options;
    const cause = owner === undefined ? FAULTS[fault] : `it belongs to user ${owner}`;
    super(`Cannot ${verb} "${path}": ${cause}; ${remedy}`, path, rest);
    this.fault = fault;
    this.owner = owner;
  }
}

/**
 * Thrown when a store is on a file system without locks, such as some network file systems. Two
 * commands could then write the same files at once.
 */
export class LockUnsupportedError extends StoreError {
  /** Type of the file system, such as `nfs`, if that is known. */
  readonly fileSystem: string | undefined;

  /** Creates the error for a file that could not be locked. */
  constructor(path: string, fileSystem: string | undefined, options?: ErrorOptions) {
    const type = fileSystem === undefined ? "" : ` (${fileSystem})`;
    super(
      `Cannot lock "${path}": its file system${type} does not support locks; ` +
        "use a store on a local disk",
      path,
      options,
    );
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

  /** Creates the error for a blob of which `size` bytes are kept in `path`. */
  constructor(digest: Digest, path: string, size: number, options?: ErrorOptions) {
    super(
      `Cannot store ${digest} in "${path}": the disk is full after ${size} bytes; ` +
        "free some space and try again, what has come is kept",
      options,
    );
    this.digest = digest;
    this.path = path;
    this.size = size;
  }
}

/** Options for {@linkcode UnpackError}. */
export interface UnpackErrorOptions extends ErrorOptions {
  /** Whether another process is unpacking into the directory. */
  readonly isBusy?: boolean | undefined;
}

/** Thrown when an image cannot be unpacked into a directory. */
export class UnpackError extends OciError {
  /** The directory, or the path that is missing in the image. */
  readonly path: string;
  /** Whether another process is unpacking into the directory, in which case a retry may succeed. */
  readonly isBusy: boolean;

  /** Creates the error; `message` names the path, what is wrong and what to do. */
  constructor(message: string, path: string, options: UnpackErrorOptions = {}) {
    const { isBusy = false, ...rest } = options;
    super(message, rest);
    this.path = path;
    this.isBusy = isBusy;
  }
}

/** Thrown when a bundle cannot be made, used or removed. */
export class BundleError extends OciError {
  /** Directory of the bundle. */
  readonly path: string;

  /** Creates the error; `message` says what was being done, what is wrong and what to do. */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** Options for {@linkcode RuntimeError}. */
export interface RuntimeErrorOptions extends ErrorOptions {
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

  /** Creates the error; `message` says what was being done, what is wrong and what to do. */
  constructor(
    message: string,
    runtime: string,
    details: readonly string[] = [],
    options: RuntimeErrorOptions = {},
  ) {
    super(message, options);
    this.runtime = runtime;
    this.details = details;
    this.exitCode = options.exitCode ?? 1;
  }
}

/**
 * Fault of an archive: it cannot be read as one (`"format"`), it is damaged or cut short
 * (`"damaged"`), its entries could mislead a reader (`"hostile"`), it lacks a part of an image
 * (`"incomplete"`), or it does not hold the requested image (`"absent"`, `"ambiguous"`).
 */
export type ArchiveFault =
  | "format"
  | "damaged"
  | "hostile"
  | "incomplete"
  | "absent"
  | "ambiguous";

/** Thrown when an archive of images cannot be read. None of its content was stored. */
export class ArchiveError extends OciError {
  /** The archive, as the caller named it. */
  readonly path: string;
  /** Fault of the archive. */
  readonly code: ArchiveFault;

  /** Creates the error; `state` says what is wrong with the archive. */
  constructor(path: string, code: ArchiveFault, state: string, options?: ErrorOptions) {
    super(`Cannot read the archive "${path}": ${state}`, options);
    this.path = path;
    this.code = code;
  }
}

/** Thrown when a file of an artifact cannot be written or packed under its name. */
export class ArtifactFileError extends OciError {
  /** Name of the file in the artifact. */
  readonly title: string;

  /** Creates the error; `state` says what is wrong. */
  constructor(title: string, state: string, options?: ErrorOptions) {
    super(`Cannot take the file ${JSON.stringify(title)} of an artifact: ${state}`, options);
    this.title = title;
  }
}
