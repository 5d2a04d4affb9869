import { lstatIfAny, replaceFile, syncDirectory } from "../host/durable.ts";
import { lockFile, type LockFileOptions } from "../host/file_lock.ts";
import {
  checkStoreFolder,
  checkStoreRoot,
  ensureStoreFolder,
  ensureStoreRoot,
} from "../host/private_directory.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import { StoreError, UntrustedStoreError } from "../errors.ts";

const LAYOUT_VERSION = "1.0.0";

/** Entries that a store without an `oci-layout` file may contain. */
const OWN_NAMES = new Set([
  ".overlay-trial",
  ".overlay-trial.lock",
  "blobs",
  "bundles",
  "chains",
  "containers",
  "entries",
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
const DIRECTORIES: readonly string[] = [
  "blobs",
  "blobs/sha256",
  "blobs/sha512",
  "ingest",
  "locks",
  "verified",
];
/** Directories that a store may have, whose contents are trusted. */
const STORE_FOLDERS: readonly string[] = [
  ...DIRECTORIES,
  "bundles",
  "chains",
  "containers",
  "entries",
  "locks/holds",
  "quarantine",
  "tarballs",
  "tarballs/sha256",
  "tarballs/sha512",
  "tarballs/verified",
];
/** Prefix of the file with which `doctor` checks whether a store is writable. */
const DOCTOR_PREFIX = ".oci-doctor-";

/** Maximum size of an `oci-layout` file, which normally has 30 bytes. */
const MAX_LAYOUT_BYTES = 65_536;

/**
 * Checks that a directory is an OCI image layout or can become one.
 *
 * @param foreign Whether the directory is only read, in which case any user may own it.
 */
export async function openLayout(path: string, foreign: boolean): Promise<void> {
  if (!foreign && checkStoreRoot(path)) {
    for (const name of STORE_FOLDERS) checkStoreFolder(`${path}/${name}`);
  }
  const layout = readJsonFile(`${path}/oci-layout`, {
    maxBytes: MAX_LAYOUT_BYTES,
    foreign,
    advice: "Restore it, or choose another directory",
  });
  if (layout === undefined) return await assertVacant(path, foreign);
  const { imageLayoutVersion: version } = layout;
  if (version === LAYOUT_VERSION) return;
  const found = typeof version === "string" ? `has version "${version}"` : "names no version";
  const problem = `its oci-layout file ${found}, not ${LAYOUT_VERSION}`;
  throw notUsable(path, foreign, problem, "Choose another directory");
}

async function assertVacant(path: string, foreign: boolean): Promise<void> {
  try {
    for await (const { name } of Deno.readDir(path)) {
      // Another process has just made the layout.
      if (name === "oci-layout") return await openLayout(path, foreign);
      if (OWN_NAMES.has(name) || name.startsWith(DOCTOR_PREFIX)) continue;
      const problem = `it is not an OCI image layout and contains "${name}"`;
      throw notUsable(path, foreign, problem, "Choose an empty or new directory");
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotADirectory) {
      if (foreign) throw notUsable(path, foreign, "it is not a directory");
      throw new UntrustedStoreError("not-directory", path, { cause: error });
    }
    throw error;
  }
}

/** The error for a directory that cannot be a store or, if it is only read, has no images. */
function notUsable(path: string, foreign: boolean, problem: string, advice?: string): StoreError {
  return foreign
    ? new StoreError(problem, path, {
      code: "no-image",
      action: `find an image in "${path}"`,
      advice: "Check the path",
    })
    : new StoreError(problem, path, {
      code: "not-a-store",
      action: `use "${path}" as a store`,
      advice,
    });
}

/** Creates the missing directories and version file of a layout. */
export async function ensureLayout(
  path: string,
  lockPath: string,
  options: LockFileOptions,
): Promise<void> {
  await ensureStoreRoot(path);
  for (const name of DIRECTORIES) await ensureStoreFolder(`${path}/${name}`);
  if (lstatIfAny(`${path}/oci-layout`) !== undefined) return;
  using _lock = await lockFile(lockPath, options);
  // Another process may have created the layout while it held the lock.
  if (lstatIfAny(`${path}/oci-layout`) !== undefined) return;
  await syncDirectory(`${path}/blobs`);
  const text = JSON.stringify({ imageLayoutVersion: LAYOUT_VERSION });
  await replaceFile(path, "oci-layout", new TextEncoder().encode(text));
}
