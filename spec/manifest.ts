import { JsonReader, present } from "./_json.ts";
import { type Descriptor, readDescriptor } from "./descriptor.ts";
import { LimitError } from "./errors.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  isIndexMediaType,
  isManifestMediaType,
  OCI_INDEX,
  OCI_MANIFEST,
} from "./media_types.ts";

/** The most bytes of a manifest or an index that are read by default: 4 MiB. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024;
/** The most bytes of an image config that are read by default: 8 MiB. */
export const MAX_CONFIG_BYTES: number = 8 * 1024 * 1024;
/** The most layers of an image that are accepted by default. The overlay bundler mounts 500. */
export const MAX_LAYERS = 256;
/** The most entries of an index that are accepted. */
export const MAX_INDEX_ENTRIES = 4096;

/**
 * Lists what an image of one platform, or an artifact, consists of.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md | manifest.md}.
 */
export interface Manifest {
  /** Always 2. */
  readonly schemaVersion: 2;
  /** What the document is; filled in from where it came from if it does not say. */
  readonly mediaType: string;
  /** The kind of an artifact. */
  readonly artifactType?: string;
  /** The config. */
  readonly config: Descriptor;
  /** The layers, the base first. */
  readonly layers: readonly Descriptor[];
  /** The manifest that this one is about, as a signature is about an image. */
  readonly subject?: Descriptor;
  /** Free-form metadata. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Lists manifests, most often those of an image for several platforms.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md | image-index.md}.
 */
export interface Index {
  /** Always 2. */
  readonly schemaVersion: 2;
  /** What the document is; filled in from where it came from if it does not say. */
  readonly mediaType: string;
  /** The kind of an artifact. */
  readonly artifactType?: string;
  /** The manifests, in order of preference. */
  readonly manifests: readonly Descriptor[];
  /** The manifest that this index is about. */
  readonly subject?: Descriptor;
  /** Free-form metadata. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest or an index, told apart by `kind`. */
export type ManifestDocument =
  | { readonly kind: "manifest"; readonly value: Manifest }
  | { readonly kind: "index"; readonly value: Index };

/**
 * Parses a manifest or an index, from the bytes as served.
 *
 * A document that names another media type inside than outside, or that has members of both
 * kinds, is refused, as it could be read as two different images (CVE-2021-41190).
 *
 * @param bytes The document.
 * @param mediaType What it was served as, perhaps with parameters. It may be left out or be that of
 * any other kind of content, such as `application/json`: then the document itself tells.
 * @param maxLayers The most layers that are accepted.
 * @returns What it says.
 * @throws {SyntaxError} If it is not a manifest or an index; the message names the place.
 * @throws {LimitError} If it has too many layers or entries.
 *
 * @example Parse an index
 * ```ts
 * import { OCI_INDEX, parseManifest } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const text = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
 *
 * assertEquals(parseManifest(new TextEncoder().encode(text)).kind, "index");
 * ```
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType?: string,
  maxLayers: number = MAX_LAYERS,
): ManifestDocument {
  const json = JsonReader.parse(bytes, "manifest");
  const version = json.at("schemaVersion");
  if (version.value() === 1) version.fail("2, as schema 1 of Docker images is no longer supported");
  if (version.value() !== 2) version.fail("2");
  const served = knownMediaType(mediaType);
  const type = json.maybe("mediaType")?.string() ?? served ?? impliedMediaType(json);
  if (served !== undefined && type !== served) {
    json.at("mediaType").fail(`"${served}", as it was served as that`);
  }
  if (isIndexMediaType(type)) {
    refuseMembers(json, "an index", ["config", "layers", "fsLayers"]);
    return { kind: "index", value: readIndex(json, type) };
  }
  if (isManifestMediaType(type)) {
    refuseMembers(json, "a manifest", ["manifests", "fsLayers"]);
    return { kind: "manifest", value: readManifest(json, type, maxLayers) };
  }
  return json.at("mediaType").fail("that of a manifest or an index");
}

/** What a document was served as, if that says which kind it is. */
function knownMediaType(contentType: string | undefined): string | undefined {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return isIndexMediaType(type) || isManifestMediaType(type) ? type : undefined;
}

function refuseMembers(json: JsonReader, kind: string, members: readonly string[]): void {
  for (const member of members) {
    if (json.maybe(member) !== undefined) json.at(member).fail(`absent from ${kind}`);
  }
}

/** Reads layers, of which each has one size: one digest is that of one sequence of bytes. */
function readLayers(items: readonly JsonReader[]): readonly Descriptor[] {
  const sizes = new Map<string, number>();
  return items.map((item) => {
    const layer = readDescriptor(item);
    const size = sizes.get(layer.digest) ?? layer.size;
    if (layer.size !== size) {
      item.at("size").fail(`${size}, as it is where this digest stood before`);
    }
    sizes.set(layer.digest, size);
    return layer;
  });
}

/** The items of a list; Go writes an empty one as null, and others leave it out. */
function readList(json: JsonReader): readonly JsonReader[] {
  return json.present ? json.array() : [];
}

/** OCI documents need not name their type: their members tell it. */
function impliedMediaType(json: JsonReader): string {
  const docker = json.maybe("config")?.maybe("mediaType")?.string().includes(".docker.");
  if (json.maybe("manifests") !== undefined) {
    const entry = json.at("manifests").array()[0]?.maybe("mediaType")?.string();
    return entry === DOCKER_MANIFEST ? DOCKER_MANIFEST_LIST : OCI_INDEX;
  }
  return docker ? DOCKER_MANIFEST : OCI_MANIFEST;
}

function readManifest(json: JsonReader, mediaType: string, maxLayers: number): Manifest {
  const layers = readList(json.at("layers"));
  if (layers.length > maxLayers) {
    throw new LimitError("layers", maxLayers, layers.length, "an image", "maxLayers");
  }
  return {
    schemaVersion: 2,
    mediaType,
    config: readDescriptor(json.at("config")),
    layers: readLayers(layers),
    ...readCommon(json),
  };
}

function readIndex(json: JsonReader, mediaType: string): Index {
  const manifests = readList(json.at("manifests"));
  if (manifests.length > MAX_INDEX_ENTRIES) {
    throw new LimitError("entries", MAX_INDEX_ENTRIES, manifests.length, "an index");
  }
  return {
    schemaVersion: 2,
    mediaType,
    manifests: manifests.map(readDescriptor),
    ...readCommon(json),
  };
}

function readCommon(json: JsonReader): Pick<Manifest, "artifactType" | "subject" | "annotations"> {
  const subject = json.maybe("subject");
  return present({
    artifactType: json.maybe("artifactType")?.string(),
    subject: subject && readDescriptor(subject),
    annotations: json.maybe("annotations")?.stringMap(),
  });
}
