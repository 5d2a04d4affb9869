import { BlockedRegistryError, RegistriesConfError } from "../errors.ts";
import {
  DOCKER_HUB,
  DOCKER_HUB_HOST,
  formatReference,
  formatRepository,
  type Reference,
  type Repository,
  splitVersion,
} from "../reference.ts";
import type {
  HostCapability,
  MirrorUse,
  RegistriesConf,
  RegistryHost,
  RegistryRule,
} from "../registry_rule.ts";
import { isInNetwork, parseIp, parseNetwork } from "../transport/ip_network.ts";

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

/** Where to access a repository according to a file. */
export interface SourceList {
  /** Identifies the sources among those of the same registry. */
  readonly key: string;
  /** The mirrors, then the registry. */
  readonly sources: readonly RuleSource[];
}

/** Rules of the files for registries, loaded only if there are any. */
export class RegistryRules {
  readonly #conf: RegistriesConf;

  constructor(conf: RegistriesConf) {
    this.#conf = conf;
  }

  /** Returns the places to read a repository from; `undefined` without a rule for it. */
  sources(place: Reference | Repository): SourceList | undefined {
    const rule = this.#find(place);
    return rule && readFrom(rule, place, mirrorUse(place));
  }

  /**
   * Returns the places to read content of a repository from by its digest. Hosts that may only
   * `pull` also have the content of tags, unlike `digest-only` mirrors.
   */
  contentSources(place: Reference | Repository): SourceList | undefined {
    const rule = this.#find(place);
    const use = rule?.hosts === undefined ? mirrorUse(place) : "digest-only";
    return rule && readFrom(rule, place, use);
  }

  /**
   * Returns the registry to write to, or to log in to if `repository` is empty; `undefined` without
   * a rule. Mirrors and other locations are for reading, except a host for uploads. A login is sent
   * to the registry alone, because no other host receives its credential.
   */
  target({ registry, repository }: Repository): SourceList | undefined {
    const rule = this.#find({ registry, repository });
    if (rule === undefined) return undefined;
    const { hosts } = rule;
    const wanted = repository === ""
      ? hosts?.findLast((host) => hostSource(host, registry).registry === registry)
      : hosts?.find(({ capabilities }) => capabilities.includes("push"));
    if (wanted !== undefined) {
      const source = { ...hostSource(wanted, registry), isMirror: false };
      return { key: JSON.stringify([rule.prefix, hosts?.indexOf(wanted)]), sources: [source] };
    }
    if (hosts !== undefined && repository !== "") throw incapableError(rule, "push");
    const own = { ...rule, location: undefined, mirrors: [], hosts: undefined };
    return { key: JSON.stringify([rule.prefix]), sources: ruleSources(own, registry) };
  }

  #find(place: Reference | Repository): RegistryRule | undefined {
    const rule = findRule(this.#conf, place);
    const { registry, repository } = place;
    if (rule !== undefined) {
      refuseBlocked(rule, repository === "" ? registry : formatReference(place));
    }
    return rule;
  }
}

/**
 * Returns the places to pull an image from, in order: its mirrors, then the registry.
 *
 * @param reference The image. With a digest, mirrors for tags are left out; without one, mirrors
 * for digests.
 * @returns The places, at least one.
 * @throws {BlockedRegistryError} If the files block the image.
 * @throws {RegistriesConfError} If a location leaves no name for the repository.
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
    repository: rule === undefined ? repository : nameAt(rule, source, repository),
    isMirror: source.isMirror,
    isInsecure: source.isInsecure,
  }));
}

/** Returns the name of a repository at a place. Refuses a location that leaves none. */
function nameAt(
  rule: RegistryRule,
  { drop, prefix, registry }: RuleSource,
  repository: string,
): string {
  const name = prefix + repository.slice(drop);
  if (repository === "" || name !== "") return name;
  throw new RegistriesConfError(
    rule.file,
    undefined,
    `the location "${registry}" of "${rule.prefix}" leaves no name for the repository`,
    "Add the repository to the location",
  );
}

/** Returns which mirrors are used for a place in addition to those for all pulls. */
function mirrorUse(place: Reference | Repository): Exclude<MirrorUse, "all"> {
  const { tag, digest } = versionOf(place);
  // Without a tag, content is read by its digest.
  return digest === undefined && tag !== undefined ? "tag-only" : "digest-only";
}

function versionOf(place: Reference | Repository): Pick<Reference, "tag" | "digest"> {
  return "tag" in place || "digest" in place ? place : {};
}

/** Throws an error if a rule blocks its images; `subject` is the one that was requested. */
function refuseBlocked({ isBlocked, prefix, file }: RegistryRule, subject: string): void {
  if (isBlocked) throw new BlockedRegistryError(subject, prefix, file);
}

/**
 * Returns the most specific rule for an image, or for a registry if `repository` is empty: the one
 * with the longest name, else the one for the smallest network, else the one for all registries.
 */
function findRule(
  conf: RegistriesConf,
  reference: Reference | Repository,
): RegistryRule | undefined {
  return conf.rules.filter(({ prefix }) => matches(prefix, reference))
    .reduce<RegistryRule | undefined>((best, rule) => {
      const isBetter = best === undefined || specificity(rule.prefix) > specificity(best.prefix);
      return isBetter ? rule : best;
    }, undefined);
}

/** Rates a prefix. A host is more specific than a wildcard of the same length. */
function specificity(prefix: string): number {
  if (prefix === "*") return -Infinity;
  const network = parseNetwork(prefix);
  // The length of a network's text says nothing about its size.
  if (network !== undefined) return network.bits - MAX_NETWORK_BITS;
  return prefix.replace("*", "").length;
}

function matches(prefix: string, reference: Reference | Repository): boolean {
  const { registry } = reference;
  if (prefix === "*") return true;
  const network = parseNetwork(prefix);
  if (network !== undefined) {
    const address = parseIp(hostname(registry));
    return address !== undefined && isInNetwork(address, network);
  }
  // A wildcard matches any port.
  if (prefix.startsWith("*.")) return hostname(registry).endsWith(prefix.slice(1));
  const { name, version } = splitVersion(prefix);
  const full = formatRepository(reference);
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
function ruleSources(
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
      ...replacePrefix(prefix, mirror.location, registry),
      isMirror: true,
      isInsecure: mirror.isInsecure,
    })),
    {
      ...location === undefined
        ? { registry, drop: 0, prefix: "" }
        : replacePrefix(prefix, location, registry),
      isMirror: false,
      isInsecure,
    },
  ];
}

/** Returns the place that a host is for the repositories of a registry. */
function hostSource(host: RegistryHost, registry: string): RuleSource {
  const { url, isMirror, isInsecure } = host;
  const common = { drop: 0, isMirror, isInsecure, host };
  if (url === undefined) return { ...common, registry, prefix: "" };
  const address = new URL(url);
  // The rest of the path, after the API version, is a prefix of repository names.
  const [, names = ""] = /\/v2\/(.+)$/.exec(address.pathname) ?? [];
  // Only one of the two may spell out the default port of the scheme.
  const isSameHost = URL.parse(`${address.protocol}//${registry}`)?.host === address.host;
  const name = isSameHost ? registry : address.host === DOCKER_HUB_HOST ? DOCKER_HUB : address.host;
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

function replacePrefix(
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

function readFrom(
  rule: RegistryRule,
  { registry, repository }: Reference | Repository,
  use: Exclude<MirrorUse, "all">,
): SourceList {
  const sources = ruleSources(rule, registry, use);
  if (sources.length === 0) throw incapableError(rule, use === "tag-only" ? "resolve" : "pull");
  // Refuses a location without a name before the first request.
  for (const source of sources) nameAt(rule, source, repository);
  const key = rule.hosts === undefined ? use : sources.map(({ host }) => {
    return host && rule.hosts?.indexOf(host);
  });
  return { key: JSON.stringify([rule.prefix, key]), sources };
}

/** Returns the error for a file whose hosts lack a capability. */
function incapableError({ file }: RegistryRule, capability: HostCapability): RegistriesConfError {
  return new RegistriesConfError(
    file,
    undefined,
    `none of its hosts has the capability "${capability}"`,
    "Add it to the capabilities of a host that you trust with it",
  );
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
