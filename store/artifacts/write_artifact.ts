import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Manifest } from "../../spec/image/manifest.ts";
import { layerMediaType, OCI_EMPTY } from "../../spec/image/media_types.ts";
import { dirname } from "../../spec/paths.ts";
import type { ContentStore } from "../content/content_store.ts";
import { ArtifactFileError } from "../errors.ts";
import { nameFailure } from "../host/file_output.ts";
import {
  ifPermitted,
  lstatIfAny,
  missingDirectories,
  removeEmptyDirectories,
  writeAll,
} from "../host/files.ts";
import { TemporaryFile } from "../host/temporary_file.ts";
import { TITLE_ANNOTATION } from "./artifact_content.ts";

/** Annotation with which oras marks a packed directory. */
const UNPACK = "io.deis.oras.content.unpack";

/** Maximum length of a file name, as on Linux. */
const MAX_TITLE_LENGTH = 4095;
/** Maximum total number of components of all names, each of which may be a directory to create. */
const MAX_TITLE_LEVELS = 65_536;

/** Advice if existing files are in the way. */
const OTHER_DIRECTORY = "Choose an empty or new directory";

/** Options for {@linkcode writeArtifact}. */
export interface WriteArtifactOptions {
  /** Aborts the work. */
  readonly signal?: AbortSignal | undefined;
  /** Called once with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A file of an artifact that was written. */
export interface WrittenFile {
  /** Its name below the directory. */
  readonly title: string;
  /** Media type, digest and size of its content. */
  readonly descriptor: Descriptor;
}

/**
 * Writes the files of an artifact into a directory, under the names in the annotation
 * `org.opencontainers.image.title` of its layers. Skips layers without a name, with a warning.
 *
 * All names are checked before anything is written: none may lead out of the directory, by itself
 * or through an existing symlink. The files are renamed to their names when all of them are
 * complete, and a failure before that leaves nothing behind. An existing file is replaced as a
 * whole; a directory or a link to one is not replaced.
 *
 * @param store A store that has the artifact.
 * @param manifest Its manifest.
 * @param directory Target directory, created if it is missing.
 * @param options Callbacks and an abort signal.
 * @returns The files, in the order of the manifest.
 * @throws {ArtifactFileError} If a name leads out of the directory, occurs twice, or is taken.
 * @throws {DigestMismatchError} If a blob in the store does not match its digest.
 *
 * @example Write the files of an artifact
 * ```ts
 * import { pullArtifact, pushArtifact } from "@x/oci";
 * import { ContentStore, writeArtifact } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * await pushArtifact("localhost:5000/sbom:v1", [{ path: "./sbom.json" }]);
 * const { document } = await pullArtifact("localhost:5000/sbom:v1", { store: "./store" });
 * assert(document.value.kind === "manifest");
 *
 * const store = await ContentStore.open("./store");
 * await writeArtifact(store, document.value.value, "./files");
 *
 * assert((await Deno.stat("./files/sbom.json")).isFile);
 * ```
 */
export async function writeArtifact(
  store: ContentStore,
  manifest: Manifest,
  directory: string,
  options: WriteArtifactOptions = {},
): Promise<readonly WrittenFile[]> {
  const { signal, onWarning } = options;
  const files = planFiles(manifest, onWarning);
  for (const { title } of files) {
    await nameFailure(`${directory}/${title}`, () => checkPlace(directory, title));
  }
  const made: string[] = [];
  using unfinished = new DisposableStack();
  unfinished.defer(() => removeEmptyDirectories(made.reverse()));
  await nameFailure(directory, () => makeDirectory(directory, made));
  const written: { readonly path: string; readonly temporary: TemporaryFile }[] = [];
  const prepared = new Set<string>();
  for (const { title, descriptor } of files) {
    signal?.throwIfAborted();
    const path = `${directory}/${title}`;
    const parent = dirname(path);
    await nameFailure(path, () => {
      if (!prepared.has(parent)) makeDirectory(parent, made);
      // Another process may have created a symlink there in the meantime.
      checkPlace(directory, title);
    });
    const temporary = unfinished.use(await createFile(parent, path));
    // Once for each directory, because it looks at every file there, and at those of this artifact.
    if (!prepared.has(parent)) await temporary.removeDead();
    prepared.add(parent);
    await writeFile(store, descriptor, temporary, path, signal);
    written.push({ path, temporary });
  }
  for (const { path, temporary } of written) {
    await nameFailure(path, () => temporary.rename(path));
  }
  made.length = 0;
  return files;
}

function planFiles(
  { layers }: Manifest,
  onWarning: ((message: string) => void) | undefined,
): readonly WrittenFile[] {
  const files = new Map<string, Descriptor>();
  let levels = 0;
  for (const descriptor of layers) {
    const { [TITLE_ANNOTATION]: name, [UNPACK]: isPacked } = descriptor.annotations ?? {};
    // An artifact without files has an empty layer, because a manifest needs one.
    if (name === undefined && descriptor.mediaType === OCI_EMPTY) continue;
    if (name === undefined) {
      onWarning?.(`${descriptor.digest} has no file name and is left out`);
      continue;
    }
    let title = checkTitle(name);
    if (isPacked === "true") {
      title += archiveSuffix(descriptor);
      onWarning?.(`"${name}" is a packed directory; it is written as the archive "${title}"`);
    }
    if (files.has(title)) throw new ArtifactFileError(name, "the name occurs twice");
    files.set(title, descriptor);
    levels += title.split("/").length;
    if (levels > MAX_TITLE_LEVELS) {
      throw new ArtifactFileError(
        name,
        `the names of the files have more than ${MAX_TITLE_LEVELS} levels in all`,
      );
    }
  }
  for (const title of files.keys()) {
    for (const parent of parentsOf(title)) {
      if (files.has(parent)) throw new ArtifactFileError(title, `"${parent}" is a file`);
    }
  }
  return [...files].map(([title, descriptor]) => ({ title, descriptor }));
}

/** Returns the name of a file without empty parts. */
function checkTitle(name: string): string {
  if (name.length > MAX_TITLE_LENGTH) {
    throw new ArtifactFileError(
      `${name.slice(0, 80)}…`,
      `the name has more than ${MAX_TITLE_LENGTH} characters`,
    );
  }
  const separators = Deno.build.os === "windows" ? /[/\\]/ : /\//;
  const parts = name.split(separators).filter((part) => part !== "" && part !== ".");
  const isAbsolute = separators.test(name[0] ?? "") ||
    (Deno.build.os === "windows" && name.includes(":"));
  if (isAbsolute || parts.includes("..")) {
    throw new ArtifactFileError(name, "the name leads out of the directory");
  }
  if (parts.length === 0 || separators.test(name.at(-1) ?? "")) {
    throw new ArtifactFileError(name, "the name does not name a file");
  }
  if (name.includes("\0")) throw new ArtifactFileError(name, "the name contains a NUL character");
  // A file name cannot contain half of a surrogate pair: two such names would be the same.
  return parts.join("/").toWellFormed();
}

function archiveSuffix({ mediaType }: Descriptor): string {
  const { compression = "gzip" } = layerMediaType(mediaType) ?? {};
  return compression === "none" ? ".tar" : compression === "gzip" ? ".tar.gz" : ".tar.zst";
}

/** Returns the directories that contain a file, the outermost first. */
function parentsOf(title: string): readonly string[] {
  const parts = title.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}

/** Checks that a file can be written under a name, and nowhere else. */
function checkPlace(directory: string, title: string): void {
  for (const parent of parentsOf(title)) {
    const info = lstatIfAny(`${directory}/${parent}`);
    if (info === undefined) return;
    const fail = (state: string): never => {
      throw new ArtifactFileError(title, `"${parent}" is ${state}`, { advice: OTHER_DIRECTORY });
    };
    if (info.isSymlink) fail("a symlink");
    if (!info.isDirectory) fail("not a directory");
  }
  if (lstatIfAny(`${directory}/${title}`)?.isDirectory) {
    throw new ArtifactFileError(title, "a directory has this name", { advice: OTHER_DIRECTORY });
  }
}

/** Makes a directory and the missing ones above it, and adds them to `made`. */
function makeDirectory(path: string, made: string[]): void {
  const missing = ifPermitted(() => missingDirectories(path)) ?? [];
  // First, because some may be made before a failure.
  made.push(...missing.toReversed());
  Deno.mkdirSync(path, { recursive: true });
}

async function createFile(directory: string, path: string): Promise<TemporaryFile> {
  return await nameFailure(path, () => {
    return TemporaryFile.create({ directory, prefix: ".oci-artifact-" });
  });
}

/** Writes the content of a file to its temporary file, which replaces a link when it is renamed. */
async function writeFile(
  store: ContentStore,
  { digest }: Descriptor,
  { file }: TemporaryFile,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = await store.openBlob(digest, { reuseMemory: true, signal });
  for await (const chunk of bytes) {
    await nameFailure(path, () => writeAll(file, chunk));
  }
}
