import { JsonReader, present } from "./_json.ts";
import { readPlatform } from "./descriptor.ts";
import { type Digest, isDigest } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** How a container of the image is run, unless its user says otherwise. */
export interface ContainerConfig {
  /** User, or user and group: names or numbers, `USER[:GROUP]`. */
  readonly User?: string;
  /** Ports that the program listens on, such as `80/tcp`. */
  readonly ExposedPorts?: readonly string[];
  /** Environment, each `NAME=VALUE`. */
  readonly Env?: readonly string[];
  /** The command, before `Cmd`. */
  readonly Entrypoint?: readonly string[];
  /** Arguments of the entry point, or the command itself. */
  readonly Cmd?: readonly string[];
  /** Directories that hold data of their own. */
  readonly Volumes?: readonly string[];
  /** Working directory, absolute. */
  readonly WorkingDir?: string;
  /** Free-form metadata. */
  readonly Labels?: Readonly<Record<string, string>>;
  /** Signal that asks the program to end, such as `SIGTERM`. */
  readonly StopSignal?: string;
}

/** One step of an image's history. */
export interface HistoryEntry {
  /** When, in RFC 3339. */
  readonly created?: string;
  /** What made the layer. */
  readonly createdBy?: string;
  /** Who made it. */
  readonly author?: string;
  /** Free text. */
  readonly comment?: string;
  /** Whether the step made no layer. */
  readonly emptyLayer?: boolean;
}

/**
 * The configuration of an image.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md | config.md}.
 */
export interface ImageConfig {
  /** What the image runs on. */
  readonly platform: Platform;
  /** When it was made, in RFC 3339. */
  readonly created?: string;
  /** Who made it. */
  readonly author?: string;
  /** How a container of it is run. */
  readonly config: ContainerConfig;
  /** Digests of the uncompressed layers, the base first. */
  readonly diffIds: readonly Digest[];
  /** How it was made, oldest step first. */
  readonly history: readonly HistoryEntry[];
}

/**
 * Parses the configuration of an image, leniently where tools in use are lenient: an absent
 * member and `null` are the same.
 *
 * @param bytes The config blob.
 * @returns What it says.
 * @throws {SyntaxError} If it is not an image's config; the message names the place.
 *
 * @example Read a config
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
  const json = JsonReader.parse(bytes, "config");
  const rootfs = json.at("rootfs");
  return {
    platform: readPlatform(json) ?? { os: "", architecture: "" },
    config: readContainerConfig(json.maybe("config")),
    diffIds: (rootfs.maybe("diff_ids")?.array() ?? []).map((item) => {
      const value = item.string();
      return isDigest(value) ? value : item.fail("a sha256 or sha512 digest");
    }),
    history: (json.maybe("history")?.array() ?? []).map(readHistoryEntry),
    ...present({
      created: json.maybe("created")?.string(),
      author: json.maybe("author")?.string(),
    }),
  };
}

function readContainerConfig(json: JsonReader | undefined): ContainerConfig {
  if (json === undefined) return {};
  const keys = (name: string) => {
    const object = json.maybe(name)?.object();
    return object && Object.keys(object);
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

/** Docker takes a command that is one string for a list of that one. */
function readCommand(json: JsonReader | undefined): readonly string[] | undefined {
  const value = json?.value();
  return typeof value === "string" ? [value] : json?.strings();
}

function readHistoryEntry(json: JsonReader): HistoryEntry {
  return present({
    created: json.maybe("created")?.string(),
    createdBy: json.maybe("created_by")?.string(),
    author: json.maybe("author")?.string(),
    comment: json.maybe("comment")?.string(),
    emptyLayer: json.maybe("empty_layer")?.boolean(),
  });
}
