import { type Digest, isDigest } from "../spec/digest.ts";
import { explainedError } from "../spec/error_facts.ts";
import { present } from "../spec/json.ts";
import { isReference, isTag, parseReference, type Reference } from "./reference.ts";

/** Location of an image, discriminated by `transport`. */
export type ImageLocation = RegistryLocation | LayoutLocation | ArchiveLocation;

/** An image in a tar archive. */
export type ArchiveLocation = OciArchiveLocation | DockerArchiveLocation;

/** An image in a registry. */
export interface RegistryLocation {
  /** Kind of location. */
  readonly transport: "docker";
  /** Reference of the image. */
  readonly reference: Reference;
}

/** An image in a directory that is an OCI image layout. */
export interface LayoutLocation {
  /** Kind of location. */
  readonly transport: "oci";
  /** Path of the directory. */
  readonly path: string;
  /** Name of the image in the layout, if given; `@N` is the entry at that index of its list. */
  readonly name?: string;
  /** Digest of the image, if given; takes precedence over the name. */
  readonly digest?: Digest;
}

/** An image in a tar archive of an OCI image layout. */
export interface OciArchiveLocation {
  /** Kind of location. */
  readonly transport: "oci-archive";
  /** Path of the archive. */
  readonly path: string;
  /** Name of the image in the archive, if given; `@N` is the entry at that index of its list. */
  readonly name?: string;
}

/** An image in an archive in the format of `docker save`. */
export interface DockerArchiveLocation {
  /** Kind of location. */
  readonly transport: "docker-archive";
  /** Path of the archive. */
  readonly path: string;
  /** Name of the image in the archive, if given; `@N` is the entry at that index of its list. */
  readonly name?: string;
}

const TRANSPORT_REGEXP = /^(oci|oci-archive|docker-archive|docker-daemon|containers-storage|dir):/;
/** A path up to the first colon that does not follow a Windows drive letter. */
const PATH_REGEXP = /^((?:\\\\[?.]\\)?[A-Za-z]:[\\/][^:]*|[^:]*)(?::(.*))?$/s;

/** Grammar of the annotation `org.opencontainers.image.ref.name`. */
const NAME_REGEXP =
  /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

const FORMS = {
  "oci": '"oci:DIR", "oci:DIR:NAME" or "oci:DIR@DIGEST"',
  "oci-archive": '"oci-archive:FILE" or "oci-archive:FILE:NAME"',
  "docker-archive": '"docker-archive:FILE" or "docker-archive:FILE:NAME"',
} as const;

/**
 * Parses the location of an image: `[docker://]REFERENCE`, `oci:DIR[:NAME]`, `oci:DIR@DIGEST`,
 * `oci-archive:FILE[:NAME]` or `docker-archive:FILE[:NAME]`.
 *
 * As in skopeo, the name `@N` stands for the entry at an index of `index.json` or `manifest.json`.
 * An image on Docker Hub whose name is one of these words, such as `oci:1`, needs `docker://`.
 *
 * @throws {SyntaxError} If `text` has none of these forms; the message lists them.
 *
 * @example Parse the location of an image
 * ```ts
 * import { parseImageLocation } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseImageLocation("oci:./out:v1"), {
 *   transport: "oci",
 *   path: "./out",
 *   name: "v1",
 * });
 * assertEquals(parseImageLocation("alpine").transport, "docker");
 * ```
 */
export function parseImageLocation(text: string): ImageLocation {
  const transport = TRANSPORT_REGEXP.exec(text)?.[1];
  switch (transport) {
    case undefined:
      return { transport: "docker", reference: parseReference(text) };
    case "oci":
    case "oci-archive":
    case "docker-archive":
      return parseFileLocation(text, transport);
    default:
      throw locationError(
        text,
        `"${transport}:" is not supported`,
        'Write "oci:DIR", "oci-archive:FILE" or "docker-archive:FILE", or ' +
          `"docker://${text}" if it is the name of an image`,
      );
  }
}

/**
 * Whether a location is in an archive.
 *
 * @returns Whether it is an {@linkcode ArchiveLocation}.
 *
 * @example Tell an archive from a layout
 * ```ts
 * import { isArchiveLocation, parseImageLocation } from "@x/oci/registry";
 * import { assert } from "@std/assert";
 *
 * assert(isArchiveLocation(parseImageLocation("oci-archive:app.tar:v1")));
 * assert(!isArchiveLocation(parseImageLocation("oci:./out:v1")));
 * ```
 */
export function isArchiveLocation(location: ImageLocation): location is ArchiveLocation {
  return location.transport === "oci-archive" || location.transport === "docker-archive";
}

function locationError(text: string, problem: string, advice: string): SyntaxError {
  return explainedError(SyntaxError, {
    code: "invalid-reference",
    action: `parse image location "${text}"`,
    subject: text,
    problem,
    advice,
  });
}

function parseFileLocation(text: string, transport: keyof typeof FORMS): ImageLocation {
  const fail = (problem: string): never => {
    throw locationError(text, problem, `Write ${FORMS[transport]}`);
  };
  let rest = text.slice(transport.length + 1);
  if (rest.startsWith("//")) fail("the location must be a path, not a URL");
  const at = rest.search(/@[a-z0-9]+:[^@:/\\]*$/);
  const digest = transport === "oci" && at >= 0 ? rest.slice(at + 1) : undefined;
  if (digest !== undefined) {
    if (!isDigest(digest)) return fail(`"${digest}" is not a digest`);
    rest = rest.slice(0, at);
  }
  const [, path, name] = PATH_REGEXP.exec(rest) ?? [];
  if (path === undefined || path === "") return fail("the path is missing");
  if (name === "") return fail("the name after the last colon is missing");
  if (name !== undefined && !isImageName(name) && entryIndex(name) === undefined) {
    return fail(`"${name}" is not a valid image name`);
  }
  return { transport, path, ...present({ name, digest }) };
}

/** Returns the index in the name `@N` of a location, as in skopeo; `undefined` for another name. */
export function entryIndex(name: string): number | undefined {
  const [, digits] = /^@(0|[1-9][0-9]{0,8})$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Whether text is a valid name of an image in a layout or an archive, by the image specification.
 * References and tags are valid too: some, such as `a__b`, do not have the form of the
 * specification.
 */
export function isImageName(text: string): boolean {
  return NAME_REGEXP.test(text) || isTag(text) || isReference(text);
}
