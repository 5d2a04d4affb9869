import type { RegistriesConf, RegistryRule } from "../remote_client_options.ts";
import { RegistriesConfError } from "../errors.ts";
import {
  findRule,
  mirrorUse,
  nameAt,
  refuseBlocked,
  type RuleSource,
  ruleSources,
} from "../configuration/registry_rules.ts";
import { formatReference, type Reference, type Repository } from "../reference.ts";

/** What a file says about the access to a repository. */
export interface RuledSources {
  /** Identifies the sources among those of the same registry. */
  readonly key: string;
  /** The mirrors, then the registry. */
  readonly sources: readonly RuleSource[];
}

/** Rules of `registries.conf` files, loaded only if there are any. */
export class RegistryRules {
  readonly #conf: RegistriesConf;

  constructor(conf: RegistriesConf) {
    this.#conf = conf;
  }

  /** Returns the places to read a repository from; `undefined` without a rule for it. */
  reading(place: Reference | Repository): RuledSources | undefined {
    const rule = this.#find(place);
    if (rule === undefined) return undefined;
    const use = mirrorUse(place);
    const sources = ruleSources(rule, place.registry, use);
    for (const source of sources) refuseNameless(rule, source, place.repository);
    return { key: JSON.stringify([rule.prefix, use]), sources };
  }

  /**
   * Returns the registry to write to or log in to: mirrors and other locations are for reading.
   * `undefined` if that is the last place to read from.
   */
  writing({ registry, repository }: Repository): RuledSources | undefined {
    const rule = this.#find({ registry, repository });
    if (rule === undefined) return undefined;
    const own = { ...rule, location: undefined, mirrors: [] };
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
