import { checkLimits, explainedError } from "../error_facts.ts";
import { LimitError } from "../errors.ts";
import { present } from "../json.ts";
import { type JsonReader, parseDocument } from "../json_reader.ts";
import { type Descriptor, readArtifactType, readDescriptor, readMediaType } from "./descriptor.ts";
import {
  DOCKER_CONFIG,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  isDocumentMediaType,
  isIndexMediaType,
  OCI_INDEX,
  OCI_MANIFEST,
} from "./media_types.ts";

/** Members of manifests and indexes of all versions. */
const MEMBERS = [
  ...["schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject"],
  ...["annotations", "fsLayers", "history"],
];

/** Default maximum size of a manifest or an index: 4 MiB. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024;
/** Default maximum size of an image config: 8 MiB. */
export const MAX_CONFIG_BYTES: number = 8 * 1024 * 1024;
/** Default maximum number of layers. The overlay bundler can mount 500. */
export const MAX_LAYERS = 256;
/** Default maximum number of entries of an index. */
export const MAX_INDEX_ENTRIES = 4096;
/** Maximum depth of nested indexes, which the image specification does not limit. */
export const MAX_INDEX_DEPTH = 8;

/**
 * Manifest of an image for one platform, or of an artifact.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md | manifest.md}.
 */
export interface Manifest {
  /** Always 2. */
  readonly schemaVersion: 2;
  /** Media type; taken from the response if the document has none. */
  readonly mediaType: string;
  /** Type of an artifact. */
  readonly artifactType?: string;
  /** The config. */
  readonly config: Descriptor;
  /** The layers, the base first. */
  readonly layers: readonly Descriptor[];
  /** Manifest that this one refers to, for example the image of a signature. */
  readonly subject?: Descriptor;
  /** Annotations. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * A list of manifests, usually of an image for several platforms.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md | image-index.md}.
 */
export interface Index {
  /** Always 2. */
  readonly schemaVersion: 2;
  /** Media type; taken from the response if the document has none. */
  readonly mediaType: string;
  /** Type of an artifact. */
  readonly artifactType?: string;
  /** The manifests, in order of preference. */
  readonly manifests: readonly Descriptor[];
  /** Manifest that this index refers to. */
  readonly subject?: Descriptor;
  /** Annotations. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest or an index, with the discriminant `kind`. */
export type ManifestDocument =
  | { readonly kind: "manifest"; readonly value: Manifest }
  | { readonly kind: "index"; readonly value: Index };

/**
 * Parses a manifest or an index.
 *
 * Rejects documents that could be read as two different images (CVE-2021-41190): their media type
 * contradicts that of the response, or they have members of both kinds or names such as `Layers`.
 *
 * @param bytes The document.
 * @param mediaType Media type of the response, with or without parameters. If it is absent or
 * generic, such as `application/json`, the document determines the kind.
 * @param maxLayers Maximum number of layers; 256 by default.
 * @param maxEntries Maximum number of entries of an index; 4096 by default.
 * @returns The document.
 * @throws {SyntaxError} If it is not a valid manifest or index; the message names the path of the value.
 * @throws {LimitError} If it has too many layers or entries.
 * @throws {RangeError} If `maxLayers` or `maxEntries` is not a number >= 0.
 *
 * @example List the platforms of an image
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { formatPlatform, parseManifest } from "@x/oci/spec";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const { bytes, descriptor } = await client.document(parseReference("alpine:3.20"));
 *
 * const { kind, value } = parseManifest(bytes, descriptor.mediaType);
 *
 * assert(kind === "index");
 * const platforms = value.manifests.map(({ platform }) => platform && formatPlatform(platform));
 * assertEquals(platforms, ["linux/amd64", "linux/arm64"]);
 * ```
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType?: string,
  maxLayers: number = MAX_LAYERS,
  maxEntries: number = MAX_INDEX_ENTRIES,
): ManifestDocument {
  checkLimits("read a manifest", { maxLayers, maxEntries });
  const json = parseDocument(bytes, "manifest");
  json.refuseOtherCases(MEMBERS);
  const version = json.at("schemaVersion");
  if (version.value() === 1) {
    throw explainedError(SyntaxError, {
      code: "invalid-document",
      action: "read the manifest",
      problem: "schema 1 of Docker images is no longer supported",
      advice: "Push the image again with a current version of Docker or Podman",
    });
  }
  const served = knownMediaType(mediaType);
  const stated = json.maybe("mediaType");
  // Documents of other kinds, such as the withdrawn artifact manifest, may have no version.
  if (stated !== undefined && !isDocumentMediaType(stated.string())) {
    stated.fail("that of a manifest or an index");
  }
  if (version.value() !== 2) version.fail("2");
  const type = stated?.string() ?? served ?? impliedMediaType(json);
  if (served !== undefined && type !== served) {
    json.at("mediaType").fail(`"${served}", as its server or its descriptor states`);
  }
  if (isIndexMediaType(type)) {
    refuseMembers(json, "an index", ["config", "layers", "fsLayers", "history"]);
    return { kind: "index", value: readIndex(json, type, maxEntries) };
  }
  refuseMembers(json, "a manifest", ["manifests", "fsLayers", "history"]);
  return { kind: "manifest", value: readManifest(json, type, maxLayers) };
}

/** Returns the media type of a response if it is that of a manifest or an index. */
function knownMediaType(contentType: string | undefined): string | undefined {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return isDocumentMediaType(type) ? type : undefined;
}

function refuseMembers(json: JsonReader, kind: string, members: readonly string[]): void {
  for (const member of members) {
    if (json.maybe(member) !== undefined) json.at(member).fail(`absent from ${kind}`);
  }
}

/** Reads layers. The same digest must always have the same size. */
function readLayers(json: JsonReader): readonly Descriptor[] {
  const sizes = new Map<string, number>();
  return listOf(json, "layers").map((item) => {
    const layer = readDescriptor(item);
    const size = sizes.get(layer.digest) ?? layer.size;
    if (layer.size !== size) {
      item.at("size").fail(`${size}, the size of an earlier layer with this digest`);
    }
    sizes.set(layer.digest, size);
    return layer;
  });
}

/** Reads the items of a list. Go writes an empty one as null, and other tools omit it. */
function listOf(json: JsonReader, member: string): readonly JsonReader[] {
  return json.maybe(member)?.array() ?? [];
}

/** Determines the kind of a document without a media type by its members. */
function impliedMediaType(json: JsonReader): string {
  const config = json.maybe("config");
  const docker = config?.maybe("mediaType")?.string().includes(".docker.");
  // The list is null if Go has written an index without entries.
  const isIndex = config === undefined && Object.hasOwn(json.object(), "manifests");
  if (isIndex || json.maybe("manifests") !== undefined) {
    const entry = json.at("manifests").first?.maybe("mediaType")?.string();
    return entry === DOCKER_MANIFEST ? DOCKER_MANIFEST_LIST : OCI_INDEX;
  }
  return docker ? DOCKER_MANIFEST : OCI_MANIFEST;
}

function readManifest(json: JsonReader, mediaType: string, maxLayers: number): Manifest {
  // Checked before a reader is created for each of possibly a million items.
  const { length } = json.at("layers");
  if (length > maxLayers) {
    throw new LimitError("layers", maxLayers, length, "an image", "maxLayers");
  }
  return {
    schemaVersion: 2,
    mediaType,
    config: readConfig(json.at("config"), mediaType),
    layers: readLayers(json),
    ...readCommon(json),
  };
}

/** Media types that old clients and registries wrote by mistake for the config of an image. */
const MISTAKEN_CONFIG_TYPES: ReadonlySet<string> = new Set([
  "",
  "application/json",
  "application/octet-stream",
  "text/html",
]);

/**
 * Reads the config, whose type determines how it is read. In a Docker manifest, which cannot be an
 * artifact, replaces a mistaken type.
 */
function readConfig(json: JsonReader, manifestType: string): Descriptor {
  const type = json.at("mediaType");
  const isMistaken = manifestType === DOCKER_MANIFEST && MISTAKEN_CONFIG_TYPES.has(type.string());
  return readDescriptor(json, isMistaken ? DOCKER_CONFIG : readMediaType(type));
}

function readIndex(json: JsonReader, mediaType: string, maxEntries: number): Index {
  const { length } = json.at("manifests");
  if (length > maxEntries) throw new LimitError("entries", maxEntries, length, "an index");
  return {
    schemaVersion: 2,
    mediaType,
    manifests: listOf(json, "manifests").map((item) => readDescriptor(item)),
    ...readCommon(json),
  };
}

function readCommon(json: JsonReader): Pick<Manifest, "artifactType" | "subject" | "annotations"> {
  const subject = json.maybe("subject");
  return present({
    artifactType: readArtifactType(json),
    subject: subject && readDescriptor(subject),
    annotations: json.maybe("annotations")?.stringMap(),
  });
}
