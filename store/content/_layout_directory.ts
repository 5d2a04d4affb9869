import { lstatIfAny, replaceFile, syncDirectory } from "../host/durable.ts";
import { lockFile, type LockFileOptions } from "../host/file_lock.ts";
import { StoreError } from "../errors.ts";

const LAYOUT_VERSION = "1.0.0";

/** What a store may hold that does not have its `oci-layout` yet, or never got it. */
const OWN_NAMES = new Set([
  ".overlay-trial",
  ".overlay-trial.lock",
  "blobs",
  "chains",
  "containers",
  "index.json",
  "index.json.tmp",
  "ingest",
  "locks",
  "oci-layout.tmp",
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

/** Checks that a directory is an OCI image layout, or can become one. */
export async function openLayout(path: string): Promise<void> {
  let text: string;
  try {
    text = await Deno.readTextFile(`${path}/oci-layout`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return await assertVacant(path);
    if (error instanceof Deno.errors.NotADirectory) throw notDirectory(path);
    throw error;
  }
  const version = layoutVersion(text);
  if (version === LAYOUT_VERSION) return;
  throw new StoreError(
    `Cannot use "${path}" as a store: its oci-layout file ${
      version === undefined ? "is damaged" : `has version "${version}"`
    }, not ${LAYOUT_VERSION}; choose another directory`,
    path,
  );
}

function layoutVersion(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const version = (value as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion;
    return typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  }
}

async function assertVacant(path: string): Promise<void> {
  try {
    for await (const { name } of Deno.readDir(path)) {
      // Another process has just made the layout.
      if (name === "oci-layout") return await openLayout(path);
      if (OWN_NAMES.has(name)) continue;
      throw new StoreError(
        `Cannot use "${path}" as a store: it is no OCI image layout and holds "${name}"; ` +
          "choose an empty or new directory",
        path,
      );
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotADirectory) throw notDirectory(path);
    throw error;
  }
}

function notDirectory(path: string): StoreError {
  return new StoreError(
    `Cannot use "${path}" as a store: it is not a directory; choose another path`,
    path,
  );
}

/** Creates what is missing of a layout: its directories, its version. */
export async function ensureLayout(
  path: string,
  lockPath: string,
  options: LockFileOptions,
): Promise<void> {
  for (const name of DIRECTORIES) await Deno.mkdir(`${path}/${name}`, { recursive: true });
  if (lstatIfAny(`${path}/oci-layout`) !== undefined) return;
  using _lock = await lockFile(lockPath, options);
  // Whoever held the lock may have done it.
  if (lstatIfAny(`${path}/oci-layout`) !== undefined) return;
  await syncDirectory(`${path}/blobs`);
  const text = JSON.stringify({ imageLayoutVersion: LAYOUT_VERSION });
  await replaceFile(path, "oci-layout", new TextEncoder().encode(text));
}
