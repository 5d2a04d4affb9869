import { type Digest, Digester, digestOf } from "../../spec/digest.ts";
import { explainedError } from "../../spec/error_facts.ts";
import type { ContentSource } from "../../spec/image/content.ts";
import { type Descriptor, isMediaType } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions } from "../../spec/image/image.ts";
import { OCI_EMPTY, OCI_LAYER, OCI_MANIFEST } from "../../spec/image/media_types.ts";
import { verifiedRead } from "../../spec/image/verify_stream.ts";
import { openBlobStream } from "../blobs/blob_stream.ts";
import { ArtifactFileError } from "../errors.ts";
import { describeSystemError, inputAdvice } from "../host/system_error.ts";

/** Annotation of a layer with the name of its file. */
export const TITLE_ANNOTATION = "org.opencontainers.image.title";

/** A file to pack into an artifact. */
export interface ArtifactFile {
  /** The file. */
  readonly path: string;
  /**
   * Its media type.
   *
   * @default {"application/vnd.oci.image.layer.v1.tar"}
   */
  readonly mediaType?: string | undefined;
}

/** Options for {@linkcode ArtifactContent.pack}. */
export interface PackArtifactOptions {
  /**
   * Type of the artifact.
   *
   * @default {"application/vnd.unknown.artifact.v1"}
   */
  readonly artifactType?: string | undefined;
  /** Annotations of its manifest. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Descriptor of the manifest that the artifact refers to. */
  readonly subject?: Descriptor | undefined;
  /** Aborts the work. */
  readonly signal?: AbortSignal | undefined;
}

const EMPTY = new TextEncoder().encode("{}");
/** Descriptor of the empty blob, for places where a manifest requires one. */
const EMPTY_DESCRIPTOR: Descriptor = {
  mediaType: OCI_EMPTY,
  digest: digestOf(EMPTY),
  size: EMPTY.length,
  data: EMPTY.toBase64(),
};

/**
 * Files as an OCI artifact, according to the guidelines of the image specification: an image
 * manifest with an `artifactType`, an empty config, and a layer for each file, whose name is in the
 * annotation `org.opencontainers.image.title`. Equal files give the same manifest.
 *
 * @example Pack a file and push it
 * ```ts
 * import { parseReference, RemoteClient, RepositoryContent } from "@x/oci/registry";
 * import { ArtifactContent, copyNamed } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const artifact = await ArtifactContent.pack([{ path: "./sbom.json" }], {
 *   artifactType: "application/spdx+json",
 * });
 * const reference = parseReference("localhost:5000/sbom:v1");
 * using client = new RemoteClient();
 *
 * await copyNamed(artifact, new RepositoryContent(client, reference), artifact.root, "v1");
 *
 * assertEquals((await client.resolve(reference)).digest, artifact.root.digest);
 * ```
 */
export class ArtifactContent implements ContentSource {
  /** The manifest. */
  readonly root: Descriptor;
  readonly #places: ReadonlyMap<Digest, string | Uint8Array<ArrayBuffer>>;

  private constructor(
    root: Descriptor,
    places: ReadonlyMap<Digest, string | Uint8Array<ArrayBuffer>>,
  ) {
    this.root = root;
    this.#places = places;
  }

  /**
   * Hashes files and creates the manifest that lists them.
   *
   * @param files The files. A relative path becomes the name of the file; for any other path, only
   * its last component does.
   * @param options Type, annotations, subject.
   * @returns The artifact.
   * @throws {ArtifactFileError} If a path is not a regular file, or two files get the same name.
   * @throws {SyntaxError} If a type is not a media type.
   */
  static async pack(
    files: readonly ArtifactFile[],
    options: PackArtifactOptions = {},
  ): Promise<ArtifactContent> {
    const { artifactType = "application/vnd.unknown.artifact.v1", signal } = options;
    const { annotations, subject } = options;
    checkMediaType(artifactType);
    const places = new Map<Digest, string | Uint8Array<ArrayBuffer>>();
    places.set(EMPTY_DESCRIPTOR.digest, EMPTY);
    const titles = new Set<string>();
    const layers: Descriptor[] = [];
    for (const { path, mediaType = OCI_LAYER } of files) {
      checkMediaType(mediaType);
      const title = titleOf(path);
      if (titles.has(title)) {
        throw new ArtifactFileError(title, "two files get this name", { advice: "Rename one" });
      }
      titles.add(title);
      const layer = {
        mediaType,
        ...await hashFile(path, signal),
        annotations: { [TITLE_ANNOTATION]: title },
      };
      places.set(layer.digest, path);
      layers.push(layer);
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType,
      config: EMPTY_DESCRIPTOR,
      layers: layers.length === 0 ? [EMPTY_DESCRIPTOR] : layers,
      subject: subject && {
        mediaType: subject.mediaType,
        digest: subject.digest,
        size: subject.size,
      },
      annotations,
    };
    const bytes = new TextEncoder().encode(JSON.stringify(manifest));
    const root = { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length };
    places.set(root.digest, bytes);
    return new ArtifactContent({ ...root, artifactType }, places);
  }

  /**
   * Opens the bytes of the manifest, the config or a file. Verifies a read of a whole file unless
   * it is `raw`: the file may have changed since it was packed.
   */
  async fetch(
    descriptor: Descriptor,
    options: BlobReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { digest } = descriptor;
    const { offset = 0, reuseMemory, signal } = options;
    const place = this.#places.get(digest);
    if (typeof place === "string") {
      const path = await Deno.realPath(place);
      const bytes = await openBlobStream(path, { offset, reuseMemory, signal });
      return verifiedRead(bytes, descriptor, options, () => `"${path}"`);
    }
    if (place !== undefined) return ReadableStream.from([place.slice(offset)]);
    throw new Deno.errors.NotFound(`Cannot read ${digest}: the artifact does not have it`);
  }
}

/**
 * Returns the name of a file in an artifact. Drops the directories of an absolute path, which other
 * machines do not have.
 */
function titleOf(path: string): string {
  const parts = path.replaceAll("\\", "/").split("/").filter((part) => part !== "" && part !== ".");
  const isLocal = !/^([/\\]|[A-Za-z]:)/.test(path) && !parts.includes("..");
  const title = isLocal ? parts.join("/") : parts.at(-1) ?? "";
  if (title !== "" && title !== "..") return title;
  throw isADirectory(path);
}

function isADirectory(path: string): ArtifactFileError {
  return new ArtifactFileError(path, "it is a directory", { advice: "Pack it into an archive" });
}

async function statFile(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    if (!(cause instanceof Error) || cause instanceof Deno.errors.NotCapable) throw cause;
    throw new ArtifactFileError(path, describeSystemError(cause), {
      advice: inputAdvice(cause),
      cause,
    });
  }
}

async function hashFile(
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const { isFile, isDirectory } = await statFile(path);
  if (!isFile) {
    throw isDirectory
      ? isADirectory(path)
      : new ArtifactFileError(path, "it is not a regular file", { advice: "Copy it to a file" });
  }
  const digester = new Digester();
  let size = 0;
  const bytes = await openBlobStream(await Deno.realPath(path), { reuseMemory: true, signal });
  for await (const chunk of bytes) {
    digester.update(chunk);
    size += chunk.length;
  }
  return { digest: digester.digest(), size };
}

/**
 * Checks a media type for a new manifest: the image specification requires the form of RFC 6838, and
 * some registries and clients refuse others.
 *
 * @throws {SyntaxError} If it has another form.
 */
function checkMediaType(text: string): void {
  if (isMediaType(text)) return;
  throw explainedError(SyntaxError, {
    code: "invalid-text",
    action: `parse media type ${JSON.stringify(text)}`,
    subject: text,
    problem: 'it must have the form "TYPE/SUBTYPE"',
    advice: 'Specify one such as "application/spdx+json"',
  });
}
