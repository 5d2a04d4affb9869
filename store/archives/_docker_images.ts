import { detectCompression, DETECTION_SIZE } from "../../layer/compression/compression.ts";
import { MAX_LINKS } from "../../layer/trees/walk_path.ts";
import { formatReference } from "../../registry/reference.ts";
import { type Digest, Digester, digestOf, isDigest } from "../../spec/digest.ts";
import { describeError } from "../../spec/error_facts.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { parseImageConfig } from "../../spec/image/image_config.ts";
import { MAX_CONFIG_BYTES, MAX_LAYERS } from "../../spec/image/manifest.ts";
import { DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST } from "../../spec/image/media_types.ts";
import { quote } from "../../spec/json.ts";
import { type JsonReader, parseDocument } from "../../spec/json_reader.ts";
import { completeName, CONTAINERD_NAME, parseStoredName } from "../content/layout_index.ts";
import { ArchiveError } from "../errors.ts";
import type { ArchivedImage } from "../images/listed_images.ts";
import type { ArchiveContent } from "./_archive_content.ts";
import { entryName } from "./_archive_entries.ts";
import type { ArchiveFile, EntryRange } from "./_archive_file.ts";
import { MAX_LISTED_IMAGES } from "./_archive_limits.ts";

const MEDIA_TYPES = {
  none: "application/vnd.docker.image.rootfs.diff.tar",
  gzip: DOCKER_LAYER,
  zstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
} as const;

interface ReadDockerOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Entry of an image in `manifest.json`. */
interface DockerImage {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

/**
 * Reads `manifest.json`. The archive has no manifests of the images, so this generates one of Docker's
 * schema 2 for each: the same bytes for the same archive. The config keeps its bytes, and thus the
 * image keeps its ID.
 *
 * @param content Content of the archive, to which the blobs of the images are added.
 * @throws {ArchiveError} If the archive is damaged or hostile.
 */
export async function readDockerImages(
  content: ArchiveContent,
  bytes: Uint8Array,
  { signal, onWarning }: ReadDockerOptions,
): Promise<readonly ArchivedImage[]> {
  // Old versions of docker write a link for a layer that several images share.
  content.refuseLinks(/^[^/]+\/layer\.tar$/);
  const images: ArchivedImage[] = [];
  const known = new Map<number, Descriptor>();
  const configs = new Map<string, DockerConfig>();
  for (const [position, image] of parseImages(content.name, bytes).entries()) {
    signal?.throwIfAborted();
    const config = configs.get(image.config) ?? await readConfig(content, image, onWarning);
    configs.set(image.config, config);
    const { diffIds } = config;
    if (diffIds.length !== image.layers.length || diffIds.length > MAX_LAYERS) {
      const counts = `${image.layers.length} layers, and its config ${diffIds.length}`;
      throw damaged(content, `manifest.json names ${counts}`);
    }
    const layers: Descriptor[] = [];
    for (const [i, path] of image.layers.entries()) {
      const range = locate(content, path);
      const diffId = diffIds[i];
      if (diffId === undefined) continue;
      const layer = known.get(range.offset) ??
        await readLayer(content.file, path, range, diffId, signal);
      if (layer.mediaType === MEDIA_TYPES.none && layer.digest !== diffId) {
        throw damaged(content, `its layer ${quote(path)} has two DiffIDs`);
      }
      known.set(range.offset, layer);
      content.add(layer.digest, range);
      layers.push(layer);
    }
    const descriptor = addManifest(content, config, layers);
    if (image.names.length === 0) images.push({ descriptor, names: [], position });
    images.push(...image.names.map((name) => namedImage({ descriptor, position }, name)));
  }
  return images;
}

/**
 * Adds the names in `manifest.json` to the images of a layout in the same archive: some versions of
 * docker omit them from `index.json`.
 *
 * @param images The images of the layout.
 * @param configOf Finds the config of an image; `undefined` for an index.
 * @returns The images, with an entry for each name.
 */
export async function addDockerNames(
  archive: string,
  bytes: Uint8Array,
  images: readonly ArchivedImage[],
  configOf: (image: ArchivedImage) => Promise<Digest | undefined>,
): Promise<readonly ArchivedImage[]> {
  // containerd writes a name without a registry to both files.
  const known = new Set(images.flatMap(({ names }) => names).map(completeName));
  const named = parseImages(archive, bytes).flatMap(({ config, names }) => {
    const [, hex] = /^(?:blobs\/sha256\/|)([0-9a-f]{64})(?:\.json|)$/.exec(config) ?? [];
    return names.filter((name) => !known.has(name)).map((name) => ({
      name,
      digest: `sha256:${hex}`,
    }));
  });
  if (named.length === 0) return images;
  const completed: ArchivedImage[] = [];
  for (const image of images) {
    const config = await configOf(image);
    const added = named.filter(({ digest, name }) => digest === config && !known.has(name));
    for (const { name } of added) known.add(name);
    if (image.names.length > 0 || added.length === 0) completed.push(image);
    completed.push(...added.map(({ name }) => namedImage(image, name)));
  }
  return completed;
}

/** Returns an image with a name, like an entry of an `index.json`. */
function namedImage(
  { descriptor, position }: Omit<ArchivedImage, "names">,
  name: string,
): ArchivedImage {
  return {
    descriptor: { ...descriptor, annotations: { [CONTAINERD_NAME]: name } },
    names: [name],
    position,
  };
}

/** Parses `manifest.json`. Its member names may be in any case, as for docker. */
function parseImages(archive: string, bytes: Uint8Array): readonly DockerImage[] {
  const fail = (state: string, cause?: unknown): never => {
    throw new ArchiveError(archive, "damaged", `its manifest.json ${state}`, { cause });
  };
  let images: readonly DockerImage[];
  try {
    const list = parseDocument(bytes, "manifest.json");
    if (list.length > MAX_LISTED_IMAGES) fail(`lists more than ${MAX_LISTED_IMAGES} images`);
    images = list.array().map(parseImage);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return fail(`is invalid: ${describeError(error)}`, error);
  }
  const count = images.reduce((sum, { names }) => sum + names.length, 0);
  return count > MAX_LISTED_IMAGES ? fail(`has more than ${MAX_LISTED_IMAGES} names`) : images;
}

function parseImage(item: JsonReader): DockerImage {
  const image = item.inAnyCase(["Config", "RepoTags", "Layers"]);
  // Go writes an empty list as null.
  const tags = image.maybe("RepoTags")?.array() ?? [];
  return {
    config: image.at("Config").string(),
    names: tags.map((tag) => {
      const reference = parseStoredName(tag.string());
      return reference === undefined ? tag.fail("a reference") : formatReference(reference);
    }),
    layers: image.maybe("Layers")?.strings() ?? [],
  };
}

interface DockerConfig {
  readonly descriptor: Descriptor;
  readonly diffIds: readonly Digest[];
}

async function readConfig(
  content: ArchiveContent,
  image: DockerImage,
  onWarning: ReadDockerOptions["onWarning"],
): Promise<DockerConfig> {
  const range = locate(content, image.config);
  if (range.size > MAX_CONFIG_BYTES) {
    throw damaged(content, `its config ${quote(image.config)} has ${range.size} bytes`);
  }
  const bytes = await content.file.bytes(range);
  const digest = digestOf(bytes);
  const [, blob, id] = /^(?:blobs\/sha256\/([0-9a-f]{64})|([0-9a-f]{64})\.json)$/
    .exec(image.config) ?? [];
  const problem = `its config ${quote(image.config)} has the digest ${digest}`;
  if (blob !== undefined && digest !== `sha256:${blob}`) throw damaged(content, problem);
  // Docker ignores the name as well, so the config may have been edited in the archive.
  if (id !== undefined && digest !== `sha256:${id}`) {
    onWarning?.(`In the archive "${content.name}", ${problem}, so it was changed`);
  }
  content.add(digest, range);
  try {
    const { diffIds } = parseImageConfig(bytes);
    return { descriptor: { mediaType: DOCKER_CONFIG, digest, size: bytes.length }, diffIds };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw damaged(content, `its config ${quote(image.config)} is invalid: ${describeError(error)}`);
  }
}

/**
 * Creates the descriptor of a layer. The digest of an uncompressed layer is its DiffID, which is not
 * verified here.
 */
async function readLayer(
  file: ArchiveFile,
  path: string,
  range: EntryRange,
  diffId: Digest,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const { offset, size } = range;
  const head = await file.bytes({ offset, size: Math.min(size, DETECTION_SIZE) });
  const compression = detectCompression(head) ?? "none";
  const mediaType = MEDIA_TYPES[compression];
  if (compression === "none") return { mediaType, digest: diffId, size };
  const [, algorithm, hex] = /^blobs\/(\w+)\/([0-9a-f]+)$/.exec(path) ?? [];
  const named = `${algorithm}:${hex}`;
  if (isDigest(named)) return { mediaType, digest: named, size };
  const digester = new Digester();
  for await (const chunk of file.open(range, { reuseMemory: true, signal })) {
    digester.update(chunk);
  }
  return { mediaType, digest: digester.digest(), size };
}

function addManifest(
  content: ArchiveContent,
  { descriptor: config }: DockerConfig,
  layers: readonly Descriptor[],
): Descriptor {
  const manifest = { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config, layers };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  content.add(digest, bytes);
  return { mediaType: DOCKER_MANIFEST, digest, size: bytes.length };
}

/** Locates a file in the archive. Follows links that stay in the archive. */
function locate({ name: archive, entries }: ArchiveContent, path: string): EntryRange {
  const fail = (code: "incomplete" | "hostile", state: string): never => {
    throw new ArchiveError(archive, code, `${quote(path)}, which manifest.json names, ${state}`);
  };
  let name = entryName(path) ?? fail("hostile", "leads out of the archive");
  for (let links = 0; links <= MAX_LINKS; links++) {
    const range = entries.files.get(name);
    if (range !== undefined) return range;
    const link = entries.links.get(name) ?? fail("incomplete", "is missing");
    name = linkTarget(name, link) ?? fail("hostile", "is a link that leads out of the archive");
  }
  return fail("hostile", "is a link that leads back to itself");
}

function linkTarget(
  name: string,
  { type, target }: { readonly type: "symlink" | "hardlink"; readonly target: string },
): string | undefined {
  // The target of a hard link is an entry name, relative to the root of the archive.
  if (type === "hardlink") return entryName(target);
  if (target.startsWith("/")) return undefined;
  const parts = name.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") {
      parts.push(part);
    }
  }
  return parts.join("/");
}

function damaged({ name }: ArchiveContent, state: string): ArchiveError {
  return new ArchiveError(name, "damaged", state);
}
