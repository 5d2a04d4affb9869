import type {
  HostCapability,
  MirrorUse,
  RegistriesConf,
  RegistryHost,
  RegistryRule,
} from "../remote_client_options.ts";
import { RegistriesConfError } from "../errors.ts";
import {
  findRule,
  hostSource,
  mirrorUse,
  nameAt,
  refuseBlocked,
  type RuleSource,
  ruleSources,
} from "../configuration/registry_rules.ts";
import { formatReference, type Reference, type Repository } from "../reference.ts";

/** Where to access a repository according to a file. */
export interface RuledSources {
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
  reading(place: Reference | Repository): RuledSources | undefined {
    const rule = this.#find(place);
    return rule && readFrom(rule, place, mirrorUse(place));
  }

  /**
   * Returns the places to read content of a repository from by its digest. Hosts that may only
   * `pull` also have the content of tags, unlike `digest-only` mirrors.
   */
  content(place: Reference | Repository): RuledSources | undefined {
    const rule = this.#find(place);
    const use = rule?.hosts === undefined ? mirrorUse(place) : "digest-only";
    return rule && readFrom(rule, place, use);
  }

  /**
   * Returns the registry to write to, or to log in to if `repository` is empty; `undefined` without
   * a rule. Mirrors and other locations are for reading, except a host for uploads. A login is sent
   * to the registry alone, because no other host receives its credential.
   */
  writing({ registry, repository }: Repository): RuledSources | undefined {
    const rule = this.#find({ registry, repository });
    if (rule === undefined) return undefined;
    const { hosts } = rule;
    const wanted = repository === ""
      ? hosts?.findLast((host) => hostSource(host, registry).registry === registry)
      : hosts?.find(isPushTarget);
    if (wanted !== undefined) {
      const source = { ...hostSource(wanted, registry), isMirror: false };
      return { key: JSON.stringify([rule.prefix, hosts?.indexOf(wanted)]), sources: [source] };
    }
    if (hosts !== undefined && repository !== "") throw incapable(rule, "push");
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

function isPushTarget({ capabilities }: RegistryHost): boolean {
  return capabilities.includes("push");
}

function readFrom(
  rule: RegistryRule,
  { registry, repository }: Reference | Repository,
  use: Exclude<MirrorUse, "all">,
): RuledSources {
  const sources = ruleSources(rule, registry, use);
  if (sources.length === 0) throw incapable(rule, use === "tag-only" ? "resolve" : "pull");
  for (const source of sources) refuseNameless(rule, source, repository);
  const key = rule.hosts === undefined ? use : sources.map(({ host }) => {
    return host && rule.hosts?.indexOf(host);
  });
  return { key: JSON.stringify([rule.prefix, key]), sources };
}

/** Returns the error for a file whose hosts lack a capability. */
function incapable({ file }: RegistryRule, capability: HostCapability): RegistriesConfError {
  return new RegistriesConfError(
    file,
    undefined,
    `none of its hosts has the capability "${capability}"`,
    "Add it to the capabilities of a host that you trust with it",
  );
}

/** Refuses a location that leaves no name for a repository. */
function refuseNameless(rule: RegistryRule, source: RuleSource, repository: string): void {
  if (repository === "" || nameAt(source, repository) !== "") return;
  throw new RegistriesConfError(
    rule.file,
    undefined,
    `the location "${source.registry}" of "${rule.prefix}" leaves no name for the repository`,
    "Add the repository to the location",
  );
}
