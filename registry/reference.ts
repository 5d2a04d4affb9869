import { type Digest, DIGEST_FORM, isDigest } from "../spec/digest.ts";
import { explainedError } from "../spec/error_facts.ts";

/** A repository in a registry. A {@linkcode Reference} is also one. */
export interface Repository {
  /** Host and port of the registry, such as `docker.io` or `localhost:5000`. */
  readonly registry: string;
  /** Repository in the registry, such as `library/alpine`. */
  readonly repository: string;
}

/** A reference to an image in a registry. */
export interface Reference extends Repository {
  /** Tag, if given or implied. */
  readonly tag?: string;
  /** Digest, if given; it takes precedence over the tag. */
  readonly digest?: Digest;
}

/** Name of Docker Hub in references. */
export const DOCKER_HUB = "docker.io";
/** Host of Docker Hub's registry. */
export const DOCKER_HUB_HOST = "registry-1.docker.io";
/** Names and hosts that stand for Docker Hub. */
export const DOCKER_HUB_HOSTS: ReadonlySet<string> = new Set([
  DOCKER_HUB,
  "index.docker.io",
  DOCKER_HUB_HOST,
]);
/** The host does not count, as in Docker and containerd. */
const MAX_PATH_LENGTH = 255;
const HOST_REGEXP =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[A-Fa-f0-9:]+\])(?::([0-9]+))?$/;
const PATH_REGEXP =
  /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG_REGEXP = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const IMAGE_ID_REGEXP = /^[a-f0-9]{64}$/;
/** A user and password before the host, as in URLs. The password may contain slashes. */
const LOGIN_REGEXP = /^((?:[a-z]+:\/\/)?[^/:]+):(?!\/|[0-9]{1,5}\/).*@(?=[^/@]*\/)/is;

/** Returns whether text is a valid tag. */
export function isTag(text: string): boolean {
  return TAG_REGEXP.test(text);
}

/** Returns whether text is a valid name of a repository, without a host. */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_PATH_LENGTH && PATH_REGEXP.test(text);
}

/**
 * Parses a reference: `[docker://][HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
 *
 * Supports the short forms of Docker Hub: `alpine` is `docker.io/library/alpine:latest`. A first
 * part with a dot, a colon or an upper-case letter, and `localhost`, is a host. Without a tag and
 * digest, the tag is `latest`; with both, the digest takes precedence. A path has at most 255
 * characters, and a tag at most 128.
 *
 * @throws {SyntaxError} If `text` is not a reference; the message says which part is wrong.
 *
 * @example Parse short and long references
 * ```ts
 * import { parseReference } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseReference("alpine"), {
 *   registry: "docker.io",
 *   repository: "library/alpine",
 *   tag: "latest",
 * });
 * assertEquals(parseReference("localhost:5000/a/b:1.0"), {
 *   registry: "localhost:5000",
 *   repository: "a/b",
 *   tag: "1.0",
 * });
 * ```
 */
export function parseReference(text: string): Reference {
  const fail = (problem: string, advice?: string): never => {
    const subject = text.replace(LOGIN_REGEXP, "$1:***@");
    const action = `parse reference "${subject}"`;
    const code = "invalid-reference";
    throw explainedError(SyntaxError, { code, action, subject, problem, advice });
  };
  let rest = text.startsWith("docker://") ? text.slice("docker://".length) : text;
  if (LOGIN_REGEXP.test(rest)) fail("it must not contain a user and password", "Leave them out");
  if (rest === "") fail("it is empty", 'Write a name such as "alpine:3.20"');
  const [scheme] = /^[a-z]+:\/\//.exec(rest) ?? [];
  if (scheme !== undefined) fail("it must not be a URL", `Write it without "${scheme}"`);
  if (IMAGE_ID_REGEXP.test(rest)) {
    fail("64 hexadecimal digits are an image ID, not a name");
  }

  const at = rest.indexOf("@");
  const digest = at < 0 ? undefined : rest.slice(at + 1);
  if (at >= 0) rest = rest.slice(0, at);
  if (digest !== undefined && !isDigest(digest)) {
    return fail(`the digest "${digest}" must be ${DIGEST_FORM}`);
  }

  // A colon after the last slash starts the tag; one before it belongs to the host's port.
  const colon = rest.indexOf(":", rest.lastIndexOf("/") + 1);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const path = colon < 0 ? rest : rest.slice(0, colon);
  if (path === "") fail("the name is missing");
  const name = splitName(path);
  if (tag !== undefined && !isTag(tag)) {
    fail(
      `the tag "${tag}" must be 1 to 128 letters, digits, "_", "." and "-", and must not start ` +
        'with "." or "-"',
    );
  }
  const problem = nameProblem(name);
  if (problem !== undefined) fail(problem);
  if (digest === undefined) return { ...name, tag: tag ?? "latest" };
  return tag === undefined ? { ...name, digest } : { ...name, tag, digest };
}

/** Returns whether text is a valid reference. */
export function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

/** Splits `HOST[:PORT]/PATH[:TAG][@DIGEST]` into the name and the rest, which may be empty. */
export function splitVersion(text: string): { readonly name: string; readonly version: string } {
  const slash = text.indexOf("/");
  const at = slash < 0 ? -1 : text.slice(slash).search(/[:@]/);
  return at < 0
    ? { name: text, version: "" }
    : { name: text.slice(0, slash + at), version: text.slice(slash + at) };
}

/** Splits host and path like Docker: `a/b` is a path, and `a.b/c` starts with a host. */
function splitName(name: string): Repository {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  const host = isHost ? first : DOCKER_HUB;
  const registry = host === "index.docker.io" ? DOCKER_HUB : host;
  const path = isHost ? name.slice(slash + 1) : name;
  const short = registry === DOCKER_HUB && !path.includes("/");
  return { registry, repository: short ? `library/${path}` : path };
}

/** Returns what is wrong with the host of a registry. */
export function hostProblem(registry: string): string | undefined {
  const host = HOST_REGEXP.exec(registry);
  if (host !== null && Number(host[1] ?? 0) > 65535) {
    return `the port ${host[1]} must be at most 65535`;
  }
  // The pattern also matches invalid addresses, such as `[1::2::3]` and `10.0.0.256`.
  if (host === null || !URL.canParse(`https://${registry}`)) {
    return `the host "${registry}" must be a name or an address, with an optional port`;
  }
  return undefined;
}

function nameProblem({ registry, repository }: Repository): string | undefined {
  const problem = hostProblem(registry);
  if (problem !== undefined) return problem;
  if (!PATH_REGEXP.test(repository)) {
    if (PATH_REGEXP.test(repository.toLowerCase())) return "the repository must be lower case";
    return `the repository "${repository}" must be lower-case letters and digits, with ".", "_", ` +
      '"__" or "-" between them and "/" between its parts';
  }
  const { length } = repository;
  if (length > MAX_PATH_LENGTH) {
    return `the repository must have at most ${MAX_PATH_LENGTH} characters: it has ${length}`;
  }
  return undefined;
}

/**
 * Formats a complete reference, as stored and as accepted by {@linkcode parseReference}.
 *
 * @returns The full form, such as `docker.io/library/alpine:3.20`, with tag and digest.
 *
 * @example Format the full name of an image
 * ```ts
 * import { formatReference, parseReference } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatReference(parseReference("alpine:3.20")), "docker.io/library/alpine:3.20");
 * ```
 */
export function formatReference(reference: Reference): string {
  return formatRepository(reference) + formatVersion(reference);
}

/** Formats the name of a repository, without tag and digest. */
export function formatRepository({ registry, repository }: Repository): string {
  return `${registry}/${repository}`;
}

/**
 * Formats a reference in its shortest form.
 *
 * @returns The short form, such as `alpine:3.20`; {@linkcode parseReference} parses it to the same
 * reference.
 *
 * @example Format the short name of an image
 * ```ts
 * import { familiarReference, parseReference } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(familiarReference(parseReference("docker.io/library/alpine:3.20")), "alpine:3.20");
 * assertEquals(familiarReference(parseReference("ghcr.io/a/b")), "ghcr.io/a/b:latest");
 * ```
 */
export function familiarReference(reference: Reference): string {
  const { registry, repository } = reference;
  if (registry !== DOCKER_HUB) return formatReference(reference);
  const short = repository.replace(/^library\/([^/]+)$/, "$1");
  // A path such as `localhost/x` or `a.b/c` would be read as beginning with a host.
  const same = splitName(short);
  const name = same.registry === registry && same.repository === repository
    ? short
    : formatRepository(reference);
  return `${name}${formatVersion(reference)}`;
}

function formatVersion({ tag, digest }: Reference): string {
  return (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
}
