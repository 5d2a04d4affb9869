import type { Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { present } from "../json.ts";
import { type JsonReader, parseDocument } from "../json_reader.ts";
import type { Platform } from "../platform.ts";
import { PLATFORM_MEMBERS, readDigest, readPlatform } from "./descriptor.ts";
import { layerMediaType } from "./media_types.ts";

/** Type of an artifact that declares none, as in oras. */
const UNKNOWN_ARTIFACT = "application/vnd.unknown.artifact.v1";

/** A date and time as in RFC 3339, section 5.6, whose zone may be missing. */
const TIME_REGEXP = /^(\d{4}-\d{2}-\d{2})t(\d{2}:\d{2}:\d{2})(?:\.\d+)?(?:z|[+-]\d{2}:\d{2})?$/i;

const MEMBERS = [...PLATFORM_MEMBERS, "config", "rootfs", "history", "created", "author"];
const CONTAINER_MEMBERS = [
  ...["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels"],
  "StopSignal",
];
const ROOT_MEMBERS = ["type", "diff_ids"];
const HISTORY_MEMBERS = ["created", "created_by", "author", "comment", "empty_layer"];

/** Default execution parameters of an image. */
export interface ContainerConfig {
  /** User and optional group, as names or IDs: `USER[:GROUP]`. */
  readonly User?: string;
  /** Exposed ports, such as `80/tcp`. */
  readonly ExposedPorts?: readonly string[];
  /** Environment variables, as `NAME=VALUE`. */
  readonly Env?: readonly string[];
  /** Entry point, which precedes `Cmd`. */
  readonly Entrypoint?: readonly string[];
  /** Arguments of the entry point, or the command. */
  readonly Cmd?: readonly string[];
  /** Paths of volumes. */
  readonly Volumes?: readonly string[];
  /** Working directory, absolute. */
  readonly WorkingDir?: string;
  /** Annotations. */
  readonly Labels?: Readonly<Record<string, string>>;
  /** Signal that stops the program, such as `SIGTERM`. */
  readonly StopSignal?: string;
}

/** One step of an image's history. */
export interface HistoryEntry {
  /** Time of creation, in RFC 3339. */
  readonly created?: string;
  /** Command that created the layer. */
  readonly createdBy?: string;
  /** Author. */
  readonly author?: string;
  /** Comment. */
  readonly comment?: string;
  /** Whether the step created no layer. */
  readonly emptyLayer?: boolean;
}

/**
 * The configuration of an image, parsed. The bytes of its {@linkcode ImageDocument} also have the
 * fields that this type lacks, under the names of the specification.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md | config.md}.
 */
export interface ImageConfig {
  /** Platform of the image. */
  readonly platform: Platform;
  /** Time of creation, in RFC 3339. */
  readonly created?: string;
  /** Author. */
  readonly author?: string;
  /** Default execution parameters. */
  readonly config: ContainerConfig;
  /** DiffIDs of the layers, the base first. */
  readonly diffIds: readonly Digest[];
  /** History, the oldest step first. */
  readonly history: readonly HistoryEntry[];
}

/**
 * Parses the configuration of an image. `null` counts as absent, as in other tools.
 *
 * Reads `user` as `User`, as tools written in Go do. Rejects a config with both, because the image
 * would run differently elsewhere.
 *
 * @param bytes The config blob.
 * @returns The configuration.
 * @throws {SyntaxError} If it is not a valid config; the message names the path of the value.
 *
 * @example Get the command of an image
 * ```ts
 * import { parseImageConfig } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const config = parseImageConfig(new TextEncoder().encode(`{
 *   "os": "linux", "architecture": "amd64",
 *   "config": { "Cmd": ["/hello"] },
 *   "rootfs": { "type": "layers", "diff_ids": [] }
 * }`));
 *
 * assertEquals(config.config.Cmd, ["/hello"]);
 * ```
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const json = parseConfig(bytes);
  const rootfs = json.at("rootfs").inAnyCase(ROOT_MEMBERS);
  const type = rootfs.maybe("type");
  // The specification requires an error for any other type. Some tools leave it empty.
  if (type !== undefined && type.value() !== "" && type.value() !== "layers") type.fail('"layers"');
  return {
    platform: readPlatform(json) ?? { os: "", architecture: "" },
    config: readContainerConfig(json.maybe("config")),
    diffIds: (rootfs.maybe("diff_ids")?.array() ?? []).map(readDigest),
    history: (json.maybe("history")?.array() ?? []).map(readHistoryEntry),
    ...present({
      created: readTime(json.maybe("created")),
      author: json.maybe("author")?.string(),
    }),
  };
}

function parseConfig(bytes: Uint8Array): JsonReader {
  return parseDocument(bytes, "config").inAnyCase(MEMBERS);
}

/**
 * Parses the config of an image, or returns the type of an artifact. Some artifacts, such as
 * signatures, have the config media type of an image, but no root file system and layers of other
 * types. Others, such as OPA policies, have image layers and an empty config.
 *
 * @param bytes The config blob.
 * @param manifest Its manifest.
 * @returns The configuration, or the artifact type.
 * @throws {SyntaxError} If it is neither.
 */
export function parseConfigOrArtifact(
  bytes: Uint8Array,
  { layers, artifactType }: {
    readonly layers: readonly { readonly mediaType: string }[];
    readonly artifactType?: string | undefined;
  },
): ImageConfig | string {
  try {
    return parseImageConfig(bytes);
  } catch (error) {
    const members = membersOf(bytes);
    if (members === undefined || (members["rootfs"] ?? undefined) !== undefined) throw error;
    const other = layers.find(({ mediaType }) => layerMediaType(mediaType) === undefined);
    const isEmpty = Object.keys(members).length === 0;
    const type = artifactType ?? other?.mediaType ?? (isEmpty ? UNKNOWN_ARTIFACT : undefined);
    if (type !== undefined) return type;
    throw error;
  }
}

/**
 * Checks that the manifest and the config of an image have the same number of layers.
 *
 * @param name Name of the image, for the error.
 * @throws {OciError} If they differ.
 */
export function checkLayerCount(
  name: string,
  { layers }: { readonly layers: readonly unknown[] },
  { diffIds }: Pick<ImageConfig, "diffIds">,
): void {
  if (layers.length === diffIds.length) return;
  const counts = `${layers.length} in its manifest, ${diffIds.length} in its config`;
  throw new OciError(
    `its documents differ in the number of layers: ${counts}`,
    { code: "invalid-document", action: `read "${name}" as an image`, subject: name },
  );
}

function membersOf(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    return parseConfig(bytes).object();
  } catch {
    return undefined;
  }
}

function readContainerConfig(member: JsonReader | undefined): ContainerConfig {
  if (member === undefined) return {};
  const json = member.inAnyCase(CONTAINER_MEMBERS);
  const keys = (name: string) => {
    const set = json.maybe(name);
    if (set === undefined) return undefined;
    const names = Object.keys(set.object());
    for (const name of names) set.maybe(name)?.object();
    return names;
  };
  return present({
    User: json.maybe("User")?.string(),
    ExposedPorts: keys("ExposedPorts"),
    Env: json.maybe("Env")?.strings(),
    Entrypoint: readCommand(json.maybe("Entrypoint")),
    Cmd: readCommand(json.maybe("Cmd")),
    Volumes: keys("Volumes"),
    WorkingDir: json.maybe("WorkingDir")?.string(),
    Labels: json.maybe("Labels")?.stringMap(),
    StopSignal: json.maybe("StopSignal")?.string(),
  });
}

/** Reads a command. A single string counts as a list of one, as in Docker. */
function readCommand(json: JsonReader | undefined): readonly string[] | undefined {
  const value = json?.value();
  return typeof value === "string" ? [value] : json?.strings();
}

/**
 * Reads a time. Tools written in Go reject a document with a malformed time, even if only the zone is
 * missing, as in the output of Python's `isoformat()`.
 */
function readTime(json: JsonReader | undefined): string | undefined {
  const text = json?.string();
  if (text === undefined) return undefined;
  const [, date = "", time = ""] = TIME_REGEXP.exec(text) ?? [];
  const instant = new Date(`${date}T${time}Z`);
  // A date like February 30 would become one in March.
  const exists = !Number.isNaN(instant.getTime()) && instant.toISOString().startsWith(date);
  return exists && time < "24" ? text : json?.fail("a time of RFC 3339");
}

function readHistoryEntry(entry: JsonReader): HistoryEntry {
  if (!entry.present) return {};
  const json = entry.inAnyCase(HISTORY_MEMBERS);
  return present({
    created: readTime(json.maybe("created")),
    createdBy: json.maybe("created_by")?.string(),
    author: json.maybe("author")?.string(),
    comment: json.maybe("comment")?.string(),
    emptyLayer: json.maybe("empty_layer")?.boolean(),
  });
}
