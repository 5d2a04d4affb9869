import type { Digest } from "../spec/digest.ts";
import { OciError, type OciErrorOptions } from "../spec/errors.ts";

/**
 * Thrown when a directory is not a store or has invalid content.
 *
 * @example Recognize a directory that is not a store
 * ```ts
 * import { ContentStore, StoreError } from "@x/oci/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await Deno.mkdir("./photos");
 * await Deno.writeTextFile("./photos/cat.txt", "");
 *
 * const error = await assertRejects(() => ContentStore.open("./photos"), StoreError);
 *
 * assertEquals(error.code, "not-a-store");
 * ```
 */
export class StoreError extends OciError {
  /** The directory or file. */
  readonly path: string;

  /** Creates the error for a path; `problem` is the cause in words. */
  constructor(problem: string, path: string, options: OciErrorOptions = {}) {
    super(problem, { subject: path, ...options });
    this.path = path;
  }
}

/**
 * Thrown when a store is on a file system without locks, such as some network file systems. Two
 * commands could then write the same files at once.
 *
 * @example Fall back to a store on a local disk
 * ```ts
 * import { pull } from "@x/oci";
 * import { LockUnsupportedError } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" }).catch((error) => {
 *   if (error instanceof LockUnsupportedError) return pull("alpine:3.20", { store: "/tmp/store" });
 *   throw error;
 * });
 *
 * assert(image.layers.length > 0);
 * ```
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
 *
 * @example Free space, and resume the download
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, DiskFullError, prune } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" }).catch(async (error) => {
 *   if (!(error instanceof DiskFullError)) throw error;
 *   await prune(await ContentStore.open("./store"));
 *   return await pull("alpine:3.20", { store: "./store" });
 * });
 *
 * assert(image.layers.length > 0);
 * ```
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

/**
 * Thrown when an image cannot be unpacked into a directory.
 *
 * @example Recognize a directory that is not empty
 * ```ts
 * import { unpack } from "@x/oci";
 * import { UnpackError } from "@x/oci/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await Deno.mkdir("./rootfs/etc", { recursive: true });
 *
 * const error = await assertRejects(
 *   () => unpack("alpine:3.20", "./rootfs", { store: "./store" }),
 *   UnpackError,
 * );
 *
 * assertEquals(error.code, "not-empty");
 * ```
 */
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

/**
 * Thrown when a bundle cannot be made, used or removed.
 *
 * @example Recognize a bundle that already exists
 * ```ts
 * import { pull } from "@x/oci";
 * import { BundleError, ContentStore, UncompressedBundler } from "@x/oci/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const bundler = new UncompressedBundler(await ContentStore.open("./store"));
 * await bundler.bundle(image, "web-1");
 *
 * const error = await assertRejects(() => bundler.bundle(image, "web-1"), BundleError);
 *
 * assertEquals(error.code, "bundle-exists");
 * ```
 */
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

/**
 * Thrown when a runtime is missing or cannot start a container.
 *
 * @example Recognize a runtime that is not installed
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, runBundle, RuntimeError, UncompressedBundler } from "@x/oci/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const bundler = new UncompressedBundler(await ContentStore.open("./store"));
 * const bundle = await bundler.bundle(image, "web-1");
 *
 * const error = await assertRejects(
 *   () => runBundle(bundle, { runtime: "no-runtime" }),
 *   RuntimeError,
 * );
 *
 * assertEquals(error.code, "runtime-missing");
 * ```
 */
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

/**
 * Thrown when an archive of images cannot be read. None of its content was stored.
 *
 * @example Recognize a file that is not an archive of images
 * ```ts
 * import { ArchiveError, ContentStore, loadArchive } from "@x/oci/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const store = await ContentStore.open("./store");
 *
 * const error = await assertRejects(() => loadArchive(store, "./layer.tar.gz"), ArchiveError);
 *
 * assertEquals(error.fault, "format");
 * ```
 */
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

/**
 * Thrown when a file of an artifact cannot be written or packed under its name.
 *
 * @example Recognize a directory, which cannot be packed
 * ```ts
 * import { ArtifactContent, ArtifactFileError } from "@x/oci/store";
 * import { assertRejects } from "@std/assert";
 *
 * await Deno.mkdir("./docs");
 *
 * await assertRejects(() => ArtifactContent.pack([{ path: "./docs" }]), ArtifactFileError);
 * ```
 */
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

/**
 * Thrown when an image has no valid signature by the required signer.
 *
 * @example Reject an image that is not signed
 * ```ts
 * import { copy, pull } from "@x/oci";
 * import { SignatureError } from "@x/oci/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await copy("alpine:3.20", "localhost:5000/app:v1");
 * const verify = { key: await Deno.readTextFile("./cosign.pub") };
 *
 * const error = await assertRejects(
 *   () => pull("localhost:5000/app:v1", { store: "./store", verify }),
 *   SignatureError,
 * );
 *
 * assertEquals(error.signatures, 0);
 * ```
 */
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
