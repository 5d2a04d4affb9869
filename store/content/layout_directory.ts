import { DIGEST_ALGORITHMS } from "../../spec/digest.ts";
import { checkPath, errorCode } from "../../spec/error_facts.ts";
import { isObject } from "../../spec/json.ts";
import { StoreError } from "../errors.ts";
import { lstatIfAny, replaceFile, statIfAny, syncDirectory } from "../host/files.ts";
import { StoreFileError } from "../host/open_regular_file.ts";
import {
  checkStoreFolder,
  checkStoreRoot,
  ensureStoreFolder,
  ensureStoreRoot,
  UntrustedStoreError,
} from "../host/private_directory.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import { describeSystemError, isImpossiblePlace } from "../host/system_error.ts";
import type { ContentStoreOptions } from "./content_store_options.ts";
import { LayoutIndex } from "./layout_index.ts";

/** Names that a directory may contain and still become a store. */
const OWN_NAMES = new Set([
  ".overlay-trial",
  ".overlay-trial.lock",
  "blobs",
  "bundles",
  "chains",
  "containers",
  "entries",
  "hidden.json",
  "index.json",
  "index.json.tmp",
  "ingest",
  "locks",
  "oci-layout.tmp",
  "overlay.json",
  "quarantine",
  "tarballs",
  "verified",
]);
const BLOB_FOLDERS: readonly string[] = [
  "blobs",
  ...DIGEST_ALGORITHMS.map((algorithm) => `blobs/${algorithm}`),
];
const DIRECTORIES: readonly string[] = [...BLOB_FOLDERS, "ingest", "locks", "verified"];
/** Directories of a store whose contents are trusted, so that owner and mode are checked. */
const STORE_FOLDERS: readonly string[] = [
  ...DIRECTORIES,
  "bundles",
  "chains",
  "containers",
  "entries",
  "locks/holds",
  "quarantine",
  "tarballs",
  ...DIGEST_ALGORITHMS.map((algorithm) => `tarballs/${algorithm}`),
  "tarballs/verified",
];
/** Prefix of the file that `doctor` writes to check whether a store is writable. */
const DOCTOR_PREFIX = ".oci-doctor-";

/** Maximum size of an `oci-layout` file, which normally has 30 bytes. */
const MAX_LAYOUT_BYTES = 65_536;

/** The directory of an OCI image layout, which is created with the first write. */
export class LayoutDirectory {
  readonly index: LayoutIndex;
  readonly #path: string;
  readonly #isReadOnly: boolean;

  private constructor(path: string, { onWait, foreign = false }: ContentStoreOptions) {
    this.index = new LayoutIndex(path, { onWait, foreign });
    this.#path = path;
    this.#isReadOnly = foreign;
  }

  /**
   * Opens a directory that is an OCI image layout or can become one.
   *
   * @throws {UntrustedStoreError} If another user can write to it and it is not `foreign`.
   */
  static async open(path: string, options: ContentStoreOptions): Promise<LayoutDirectory> {
    const { foreign = false, damaged = false } = options;
    checkPath("open a store", path);
    if (!foreign && checkStoreRoot(path)) {
      for (const name of STORE_FOLDERS) checkStoreFolder(`${path}/${name}`);
    }
    if (foreign) checkForeign(path);
    else if (isVersionDamaged(path)) await checkDamaged(path, damaged);
    // Another process may create the version file after the first check.
    else if (!hasVersion(path, foreign) && !await isVacant(path)) hasVersion(path, foreign);
    return new LayoutDirectory(path, options);
  }

  /**
   * Creates the missing directories, version file and index. The last of several writers of a layout
   * may have removed them since the last call.
   *
   * @throws {StoreError} If the layout was opened for reading.
   */
  async prepare(signal: AbortSignal | undefined): Promise<void> {
    const path = this.#path;
    if (this.#isReadOnly) {
      throw new StoreError("it was opened for reading", path, {
        code: "store-read-only",
        action: `write to "${path}"`,
      });
    }
    await this.#makeRoot();
    for (const name of DIRECTORIES) await ensureStoreFolder(path, name);
    await this.#writeVersion(signal);
    await this.index.create(signal);
  }

  async #makeRoot(): Promise<void> {
    const path = this.#path;
    try {
      await ensureStoreRoot(path);
    } catch (cause) {
      if (!isImpossiblePlace(cause)) throw cause;
      throw new StoreError(describeSystemError(cause), path, {
        code: "output",
        action: `create the directory "${path}"`,
        advice: errorCode(cause) === "EROFS"
          ? "Choose a directory on another file system"
          : "Choose another directory, or check the owner and the mode of those above it",
        cause,
      });
    }
  }

  async #writeVersion(signal: AbortSignal | undefined): Promise<void> {
    const path = this.#path;
    if (lstatIfAny(`${path}/oci-layout`) !== undefined) return;
    using _lock = await this.index.lock(signal);
    // Another process may have written it while it held the lock.
    if (lstatIfAny(`${path}/oci-layout`) !== undefined) return;
    await syncDirectory(`${path}/blobs`);
    const text = JSON.stringify(LAYOUT_VERSION);
    await replaceFile(path, "oci-layout", new TextEncoder().encode(text));
  }
}

/**
 * Checks a layout that another program wrote. The image specification requires its version file,
 * and symbolic links could lead out of it.
 */
function checkForeign(path: string): void {
  const refuse = (problem: string): never => {
    throw notALayout(path, true, problem);
  };
  const info = statIfAny(path) ?? refuse("it does not exist");
  if (!info.isDirectory) refuse("it is not a directory");
  if (!hasVersion(path, true)) {
    refuse("it has no oci-layout file, so it is not an OCI image layout");
  }
  const link = BLOB_FOLDERS.find((name) => lstatIfAny(`${path}/${name}`)?.isSymlink);
  if (link !== undefined) refuse(`its directory "${link}" is a symbolic link`);
}

/** Whether a directory has a version file. Throws if the version is not supported. */
function hasVersion(path: string, foreign: boolean): boolean {
  const layout = readVersion(path, foreign);
  if (layout === undefined) return false;
  const problem = layoutVersionProblem(layout);
  if (problem === undefined) return true;
  throw notALayout(path, foreign, problem, "Choose another directory");
}

function readVersion(
  path: string,
  foreign: boolean,
): Readonly<Record<string, unknown>> | undefined {
  return readJsonFile(`${path}/oci-layout`, {
    maxBytes: MAX_LAYOUT_BYTES,
    foreign,
    advice: "Restore it, or choose another directory",
  });
}

/** Whether a store has a version file that cannot be read or has no version. */
export function isVersionDamaged(path: string): boolean {
  try {
    const layout = readVersion(path, false);
    return layout !== undefined && typeof layout.imageLayoutVersion !== "string";
  } catch (error) {
    if (error instanceof StoreFileError && /^(syntax|shape)$/.test(error.fault)) return true;
    throw error;
  }
}

/** Refuses a directory with a damaged version file, unless it is a store that may be damaged. */
async function checkDamaged(path: string, damaged: boolean): Promise<void> {
  const problem = "its oci-layout file is damaged";
  const hasContent = ["index.json", "blobs"].some((name) => {
    return lstatIfAny(`${path}/${name}`) !== undefined;
  });
  if (!hasContent) throw notALayout(path, false, problem, "Choose another directory");
  await isVacant(path, { isDamaged: true });
  if (damaged) return;
  throw new StoreError(problem, path, {
    code: "store-damaged",
    action: `use "${path}" as a store`,
  });
}

/** Whether a directory can become a store; `false` if it has become a layout in the meantime. */
async function isVacant(path: string, { isDamaged = false } = {}): Promise<boolean> {
  try {
    for await (const { name } of Deno.readDir(path)) {
      if (name === "oci-layout" && !isDamaged) return false;
      if (name === "oci-layout") continue;
      if (OWN_NAMES.has(name) || name.startsWith(DOCTOR_PREFIX)) continue;
      const problem = `it is not an OCI image layout and contains "${name}"`;
      throw notALayout(path, false, problem, "Choose an empty or new directory");
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if (!(error instanceof Deno.errors.NotADirectory)) throw error;
    throw new UntrustedStoreError("not-directory", path, { cause: error });
  }
  return true;
}

/** Returns the error for a directory that is not a layout and cannot become one. */
function notALayout(path: string, foreign: boolean, problem: string, advice?: string): StoreError {
  return new StoreError(
    problem,
    path,
    foreign
      ? { code: "no-image", action: `find an image in "${path}"`, advice: "Check the path" }
      : { code: "not-a-store", action: `use "${path}" as a store`, advice },
  );
}

/** Content of the `oci-layout` file. */
export const LAYOUT_VERSION: Readonly<Record<string, string>> = { imageLayoutVersion: "1.0.0" };

/**
 * Returns the reason for rejecting an OCI image layout by its `oci-layout` file; `undefined` if its
 * version is supported.
 */
export function layoutVersionProblem(layout: unknown): string | undefined {
  const version = isObject(layout) ? layout.imageLayoutVersion : undefined;
  const { imageLayoutVersion: supported } = LAYOUT_VERSION;
  if (version === supported) return undefined;
  const found = typeof version === "string" ? `has version "${version}"` : "has no version";
  return `its oci-layout file ${found}, not ${supported}`;
}
