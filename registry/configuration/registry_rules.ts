import {
  DOCKER_HUB,
  DOCKER_HUB_HOST,
  formatReference,
  type Reference,
  type Repository,
} from "../reference.ts";
import type {
  MirrorUse,
  RegistriesConf,
  RegistryHost,
  RegistryRule,
} from "../remote_client_options.ts";
import { BlockedRegistryError } from "../errors.ts";
import { isInNetwork, parseIp, parseNetwork } from "../http1/ip_network.ts";
import { splitVersion } from "./_image_prefix.ts";

const MAX_NETWORK_BITS = 128;

/** A place to pull an image from, in the result of {@linkcode pullSources}. */
export interface PullSource {
  /** Host and port of the registry or mirror. */
  readonly registry: string;
  /** Repository in it. */
  readonly repository: string;
  /** Whether it is a mirror. */
  readonly isMirror: boolean;
  /** Whether plain HTTP is allowed if it does not use TLS. */
  readonly isInsecure: boolean;
}

/** A place that replaces the prefix of a rule, for all repositories of a registry. */
export interface RuleSource {
  /** Host and port of the registry or mirror. */
  readonly registry: string;
  /** Number of characters to remove from the start of a repository. */
  readonly drop: number;
  /** Text that replaces them. */
  readonly prefix: string;
  readonly isMirror: boolean;
  readonly isInsecure: boolean;
  /** Host from a `hosts.toml` or `daemon.json` file, if the place is one. */
  readonly host?: RegistryHost | undefined;
}

/**
 * Returns the places to pull an image from, in order: its mirrors, then the registry.
 *
 * @param reference The image. With a digest, mirrors for tags are left out; without one, mirrors
 * for digests.
 * @returns The places, at least one.
 * @throws {BlockedRegistryError} If the files block the image.
 *
 * @example Find the location that replaces a registry
 * ```ts
 * import { parseReference, parseRegistriesConf, pullSources } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const conf = parseRegistriesConf(`
 *   [[registry]]
 *   prefix = "example.com/foo"
 *   location = "internal.example.net/bar"
 * `);
 *
 * assertEquals(pullSources(conf, parseReference("example.com/foo/app:1")), [{
 *   registry: "internal.example.net",
 *   repository: "bar/app",
 *   isMirror: false,
 *   isInsecure: false,
 * }]);
 * ```
 */
export function pullSources(conf: RegistriesConf, reference: Reference): readonly PullSource[] {
  const rule = findRule(conf, reference);
  if (rule !== undefined) refuseBlocked(rule, formatReference(reference));
  const { registry, repository } = reference;
  const use = mirrorUse({ tag: "latest", ...reference });
  return ruleSources(rule, registry, use).map((source) => ({
    registry: source.registry,
    repository: nameAt(source, repository),
    isMirror: source.isMirror,
    isInsecure: source.isInsecure,
  }));
}

/** Returns the name of a repository at a place. */
export function nameAt(
  { drop, prefix }: Pick<RuleSource, "drop" | "prefix">,
  repository: string,
): string {
  return prefix + repository.slice(drop);
}

/** Returns which mirrors are used for a place in addition to those for all pulls. */
export function mirrorUse(place: Reference | Repository): Exclude<MirrorUse, "all"> {
  const { tag, digest } = versionOf(place);
  // Without a tag, content is read by its digest.
  return digest === undefined && tag !== undefined ? "tag-only" : "digest-only";
}

function versionOf(place: Reference | Repository): Pick<Reference, "tag" | "digest"> {
  return "tag" in place || "digest" in place ? place : {};
}

/** Throws an error if a rule blocks its images; `subject` is the one that was requested. */
export function refuseBlocked({ isBlocked, prefix, file }: RegistryRule, subject: string): void {
  if (isBlocked) throw new BlockedRegistryError(subject, prefix, file);
}

/**
 * Returns the most specific rule for an image, or for a registry if `repository` is empty: the one
 * with the longest name, else the one for the smallest network, else the one for all registries.
 */
export function findRule(
  conf: RegistriesConf,
  reference: Reference | Repository,
): RegistryRule | undefined {
  return conf.rules.filter(({ prefix }) => matches(prefix, reference))
    .reduce<RegistryRule | undefined>((best, rule) => {
      const isBetter = best === undefined || specificity(rule.prefix) > specificity(best.prefix);
      return isBetter ? rule : best;
    }, undefined);
}

/** Rates a prefix. The length of a network's text says nothing about its size. */
function specificity(prefix: string): number {
  if (prefix === "*") return -Infinity;
  const network = parseNetwork(prefix);
  return network === undefined ? prefix.length : network.bits - MAX_NETWORK_BITS;
}

function matches(prefix: string, reference: Reference | Repository): boolean {
  const { registry, repository } = reference;
  if (prefix === "*") return true;
  const network = parseNetwork(prefix);
  if (network !== undefined) {
    const address = parseIp(hostname(registry));
    return address !== undefined && isInNetwork(address, network);
  }
  // The port does not count.
  if (prefix.startsWith("*.")) return hostname(registry).endsWith(prefix.slice(1));
  const { name, version } = splitVersion(prefix);
  const full = `${registry}/${repository}`;
  if (version === "") return full === name || full.startsWith(`${name}/`);
  const { tag, digest } = versionOf(reference);
  const versions = [`:${tag}`, `@${digest}`, `:${tag}@${digest}`];
  return full === name && versions.includes(version);
}

/**
 * Returns the places of a rule for the repositories of a registry: the mirrors, then the registry.
 * Without a rule, the registry is the only place.
 *
 * @param wanted Leaves out mirrors for other uses (default: none).
 */
export function ruleSources(
  rule: RegistryRule | undefined,
  registry: string,
  wanted?: MirrorUse,
): readonly RuleSource[] {
  const { prefix = registry, location, isInsecure = false, mirrors = [], hosts } = rule ?? {};
  if (hosts !== undefined) {
    return hosts.filter(({ capabilities }) => {
      return wanted === undefined ||
        capabilities.includes(wanted === "tag-only" ? "resolve" : "pull");
    }).map((host) => hostSource(host, registry));
  }
  return [
    ...mirrors.filter(({ use }) => {
      return wanted === undefined || use === "all" || use === wanted;
    }).map((mirror) => ({
      ...replace(prefix, mirror.location, registry),
      isMirror: true,
      isInsecure: mirror.isInsecure,
    })),
    {
      ...location === undefined
        ? { registry, drop: 0, prefix: "" }
        : replace(prefix, location, registry),
      isMirror: false,
      isInsecure,
    },
  ];
}

/** Returns the place that a host is for the repositories of a registry. */
export function hostSource(host: RegistryHost, registry: string): RuleSource {
  const { url, isMirror, isInsecure } = host;
  const common = { drop: 0, isMirror, isInsecure, host };
  if (url === undefined) return { ...common, registry, prefix: "" };
  const address = new URL(url);
  // The rest of the path, after the API version, is a prefix of repository names.
  const [, names = ""] = /\/v2\/(.+)$/.exec(address.pathname) ?? [];
  // Only one of the two may spell out the default port of the scheme.
  const isItself = URL.parse(`${address.protocol}//${registry}`)?.host === address.host;
  const name = isItself ? registry : address.host === DOCKER_HUB_HOST ? DOCKER_HUB : address.host;
  return { ...common, registry: name, prefix: names === "" ? "" : `${names}/` };
}

/** Returns the hosts that replace a registry for any of its repositories. */
export function replacingHosts(conf: RegistriesConf, registry: string): readonly string[] {
  const hosts = rulesFor(conf, registry).flatMap((rule) => ruleSources(rule, registry))
    .map((source) => source.registry);
  return [...new Set(hosts)].filter((host) => host !== registry);
}

/** Returns the files with certificates and keys for the hosts that replace a registry. */
export function hostFiles(conf: RegistriesConf, registry: string): readonly string[] {
  return rulesFor(conf, registry).flatMap(({ hosts = [] }) => hosts)
    .flatMap(({ caFiles, clientFiles }) => {
      return [...caFiles, ...clientFiles.flatMap(({ cert, key }) => [cert, key])];
    });
}

/** Returns the rules for any repository of a registry. */
export function rulesFor(
  conf: Pick<RegistriesConf, "rules">,
  registry: string,
): readonly RegistryRule[] {
  const rules = conf.rules.filter(({ prefix }) => {
    return prefix.split("/")[0] === registry || matches(prefix, { registry, repository: "" });
  });
  // The rule for all registries applies only where there is no other.
  const named = rules.filter(({ prefix }) => prefix !== "*");
  return named.length > 0 ? named : rules;
}

function replace(
  prefix: string,
  location: string,
  registry: string,
): Pick<RuleSource, "registry" | "drop" | "prefix"> {
  const [host = "", ...path] = splitVersion(location).name.split("/");
  const base = path.join("/");
  // A wildcard stands only for the host name, so the port stays.
  if (prefix.startsWith("*.")) {
    const port = registry.slice(hostname(registry).length);
    return base === ""
      ? { registry: `${host}${port}`, drop: 0, prefix: "" }
      : { registry: host, drop: 0, prefix: `${base}/` };
  }
  const { length } = splitVersion(prefix).name.split("/").slice(1).join("/");
  if (length === 0) return { registry: host, drop: 0, prefix: base === "" ? "" : `${base}/` };
  // The rest of the repository begins with a slash, or is empty.
  return { registry: host, drop: base === "" ? length + 1 : length, prefix: base };
}

/** Returns a registry without its port. */
function hostname(registry: string): string {
  return registry.replace(/:[0-9]+$/, "");
}

/**
 * Returns the full name that an alias gives to a short name, with the tag and digest of the short
 * name.
 *
 * @param text Name as a user writes it, such as `fedora:40`.
 * @returns The full name, or the text itself if it has a registry or no alias.
 *
 * @example Resolve a short name
 * ```ts
 * import { parseRegistriesConf, resolveAlias } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const conf = parseRegistriesConf('[aliases]\nfedora = "registry.fedoraproject.org/fedora"');
 *
 * assertEquals(resolveAlias(conf, "fedora:40"), "registry.fedoraproject.org/fedora:40");
 * assertEquals(resolveAlias(conf, "docker.io/fedora"), "docker.io/fedora");
 * ```
 */
export function resolveAlias({ aliases }: RegistriesConf, text: string): string {
  const [, name = "", version = ""] = /^([a-z0-9._/-]+)((?::[^/@]*)?(?:@.*)?)$/.exec(text) ?? [];
  const full = aliases.get(name);
  return full === undefined || full === "" ? text : full + version;
}
