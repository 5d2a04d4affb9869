import { type Digest, digestOf, isDigest, isForeignDigest } from "../digest.ts";
import { unlessThrown } from "../error_facts.ts";
import { isObject, present } from "../json.ts";
import { JsonReader } from "../json_reader.ts";
import { normalizePlatform, type Platform } from "../platform.ts";
import { digestAlgorithm } from "../verifier.ts";
import { layerMediaType } from "./media_types.ts";

/**
 * Describes content by its media type, size and digest.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md | descriptor.md}.
 */
export interface Descriptor {
  /** Media type of the content. */
  readonly mediaType: string;
  /** Digest of the content. */
  readonly digest: Digest;
  /** Size of the content in bytes. */
  readonly size: number;
  /** URLs that may serve the content. */
  readonly urls?: readonly string[];
  /** Annotations. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Platform of the content; only in an index. */
  readonly platform?: Platform;
  /** Type of an artifact. */
  readonly artifactType?: string;
  /** Embedded content in base64, unverified; `embeddedData()` verifies it. */
  readonly data?: string;
}

/** Members that a descriptor may lack. */
const OPTIONAL_MEMBERS = ["urls", "annotations", "platform", "artifactType", "data"];
/** Members of a descriptor. */
const DESCRIPTOR_MEMBERS: readonly string[] = [
  "mediaType",
  "digest",
  "size",
  ...OPTIONAL_MEMBERS,
];
/** Members of a platform. */
export const PLATFORM_MEMBERS: readonly string[] = [
  "architecture",
  "os",
  "os.version",
  "os.features",
  "variant",
];

/** A media type as in RFC 6838, section 4.2, with optional parameters. */
const MEDIA_TYPE_REGEXP =
  /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}(?: *;[ -~]*)?$/i;

/** Whether text has the form of a media type, with or without parameters. */
export function isMediaType(text: string): boolean {
  return MEDIA_TYPE_REGEXP.test(text);
}

/** Whether text may be the media type of opaque content: any text without control characters. */
function isOpaqueType(text: string): boolean {
  return /^\P{Cc}+$/u.test(text);
}

/**
 * Reads a descriptor of a manifest, an index or a layout.
 *
 * Its media type need not have the form of RFC 6838: tools such as oras write any text for files.
 *
 * @param mediaType Media type to use instead of that in the document.
 */
export function readDescriptor(json: JsonReader, mediaType?: string): Descriptor {
  json.refuseOtherCases(DESCRIPTOR_MEMBERS);
  return {
    mediaType: mediaType ?? readOpaqueType(json.at("mediaType")),
    digest: readDigest(json.at("digest")),
    size: json.at("size").count(),
    ...present({
      urls: json.maybe("urls")?.strings(),
      annotations: json.maybe("annotations")?.stringMap(),
      platform: readEntryPlatform(json.maybe("platform")),
      artifactType: readArtifactType(json),
      data: json.maybe("data")?.string(),
    }),
  };
}

/**
 * Reads the descriptor of an entry of `index.json`. Invalid optional members count as absent, because
 * the content and its name do not depend on them.
 *
 * @returns `undefined` if the entry is not a descriptor.
 */
export function readLayoutEntry(
  entry: Readonly<Record<string, unknown>>,
): Descriptor | undefined {
  const descriptor = readIfDescriptor(entry);
  if (descriptor !== undefined) return descriptor;
  const required = { ...entry };
  for (const name of OPTIONAL_MEMBERS) delete required[name];
  const members = { ...entry, annotations: textsOf(entry["annotations"]) };
  const valid = Object.entries(members).filter(([name, value]) => {
    return OPTIONAL_MEMBERS.includes(name) &&
      readIfDescriptor({ ...required, [name]: value }) !== undefined;
  });
  return readIfDescriptor({ ...required, ...Object.fromEntries(valid) });
}

function readIfDescriptor(entry: Readonly<Record<string, unknown>>): Descriptor | undefined {
  return unlessThrown(() => readDescriptor(new JsonReader(entry, "entry")), SyntaxError);
}

/**
 * Reads the descriptors in a list of a document that may be invalid. An entry needs only a digest;
 * other members with an invalid value count as absent.
 */
export function readLooseDescriptors(list: unknown): readonly Descriptor[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown) => {
    if (!isObject(entry) || !isDigest(entry.digest)) return [];
    const { digest, mediaType, size, annotations } = entry;
    return [{
      digest,
      // Without a valid type, it may be a document.
      mediaType: isShortType(mediaType) ? mediaType : "application/json",
      size: typeof size === "number" ? size : 0,
      annotations: textsOf(annotations) ?? {},
    }];
  });
}

/** Returns whether a value may be a media type, which RFC 6838 limits to 255 characters. */
function isShortType(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 255;
}

/** Returns the annotations with a valid value; `undefined` if there are none. */
function textsOf(annotations: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(annotations)) return undefined;
  const texts = Object.entries(annotations).filter((pair): pair is [string, string] => {
    return typeof pair[1] === "string";
  });
  return texts.length === 0 ? undefined : Object.fromEntries(texts);
}

/** Reads a media type that determines how the content is read. */
export function readMediaType(json: JsonReader): string {
  const text = json.string();
  return isMediaType(text) ? text : json.fail('a media type, such as "application/json"');
}

function readOpaqueType(json: JsonReader): string {
  const text = json.string();
  return isOpaqueType(text) ? text : json.fail("a media type without control characters");
}

/** Reads the type of an artifact. An empty string counts as absent. */
export function readArtifactType(json: JsonReader): string | undefined {
  const type = json.maybe("artifactType");
  return type === undefined || type.value() === "" ? undefined : readOpaqueType(type);
}

/**
 * Reads the platform of an index entry. A platform without an operating system or an architecture
 * counts as absent.
 */
function readEntryPlatform(json: JsonReader | undefined): Platform | undefined {
  json?.refuseOtherCases(PLATFORM_MEMBERS);
  const platform = readPlatform(json);
  return platform?.os === "" || platform?.architecture === "" ? undefined : platform;
}

/**
 * Reads a digest. An unsupported algorithm is accepted: it makes the content unusable, but not the
 * document.
 */
export function readDigest(json: JsonReader): Digest {
  const value = json.string();
  return isDigest(value) || isForeignDigest(value) ? value : json.fail("a sha256 or sha512 digest");
}

/**
 * Reads a platform, and replaces aliases in it. Empty strings and objects, which some tools write,
 * count as absent.
 */
export function readPlatform(json: JsonReader | undefined): Platform | undefined {
  if (json === undefined) return undefined;
  const os = json.maybe("os")?.string() ?? "";
  const architecture = json.maybe("architecture")?.string() ?? "";
  if (os === "" && architecture === "") return undefined;
  return normalizePlatform({
    os,
    architecture,
    ...present({
      variant: json.maybe("variant")?.string() || undefined,
      "os.version": json.maybe("os.version")?.string() || undefined,
      "os.features": json.maybe("os.features")?.strings(),
    }),
  });
}

/** Returns what identifies content: its descriptor without annotations and other members. */
export function bareDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** Whether a layer is non-distributable and is fetched from its URLs. */
export function isForeignLayer({ mediaType, urls = [] }: Descriptor): boolean {
  return urls.length > 0 && layerMediaType(mediaType)?.nondistributable === true;
}

/**
 * Decodes the embedded content of a descriptor.
 *
 * @param descriptor The descriptor.
 * @returns The bytes, or `undefined` if there are none or they do not match the digest and size:
 * then the content must be fetched.
 *
 * @example Read the content that a descriptor embeds
 * ```ts
 * import { embeddedData, OCI_EMPTY } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const descriptor = {
 *   mediaType: OCI_EMPTY,
 *   digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
 *   size: 2,
 *   data: "e30=",
 * } as const;
 *
 * assertEquals(new TextDecoder().decode(embeddedData(descriptor)), "{}");
 * ```
 */
export function embeddedData(descriptor: Descriptor): Uint8Array<ArrayBuffer> | undefined {
  const { data, size, digest } = descriptor;
  if (data === undefined) return undefined;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(data, { lastChunkHandling: "strict" });
  } catch {
    // Not base64. No reader has to use the field.
    return undefined;
  }
  if (bytes.length !== size || !isDigest(digest)) return undefined;
  return digestOf(bytes, digestAlgorithm(digest)) === digest ? bytes : undefined;
}
