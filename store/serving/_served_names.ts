import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { parseStoredName, type StoredReference } from "../content/layout_index.ts";

export const PUSHED_REGISTRY = "localhost";

/** A reference of the store. */
export interface NamedImage {
  readonly name: string;
  readonly reference: Reference;
  readonly descriptor: Descriptor;
}

/** The references of a store, by the repositories that serve them. */
export class ServedNames {
  readonly all: readonly NamedImage[];
  readonly #byRepository: ReadonlyMap<string, readonly NamedImage[]>;
  readonly #sorted = new Map<string, readonly NamedImage[]>();
  readonly #registry: string | undefined;

  /**
   * @param registry The only registry to serve, under paths alone; all registries if `undefined`.
   */
  constructor(references: readonly StoredReference[], registry: string | undefined) {
    this.#registry = registry;
    this.all = references.flatMap((stored) => {
      const named = namedImage(stored);
      const isServed = named !== undefined &&
        (registry === undefined || named.reference.registry === registry);
      return isServed ? [named] : [];
    });
    this.#byRepository = groupByRepository(this.all, registry === undefined);
  }

  /** Lists the repositories, under their full names unless there is only one registry. */
  repositories(): readonly string[] {
    const isFull = this.#registry === undefined;
    return this.all.map(({ reference }) => isFull ? listedName(reference) : reference.repository);
  }

  /** Returns the references that a repository serves, in order of precedence. */
  of(repository: string): readonly NamedImage[] {
    const found = this.#byRepository.get(repository);
    if (found === undefined) return [];
    return this.#sorted.getOrInsertComputed(
      repository,
      () =>
        found.map((named) => ({ named, key: precedence(named.reference, repository) }))
          .sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
          .map(({ named }) => named),
    );
  }
}

/** Returns the full name of a repository, whose port is written with `_` for the colon. */
export function fullName({ registry, repository }: Reference): string {
  return `${registry.replace(":", "_")}/${repository}`;
}

function groupByRepository(
  all: readonly NamedImage[],
  hasFullNames: boolean,
): ReadonlyMap<string, readonly NamedImage[]> {
  const groups = new Map<string, NamedImage[]>();
  for (const named of all) {
    const { reference } = named;
    const names = hasFullNames
      ? new Set([reference.repository, fullName(reference)])
      : [reference.repository];
    for (const name of names) groups.getOrInsert(name, []).push(named);
  }
  return groups;
}

/** Parsed references: most stay the same after a change. */
const PARSED = new WeakMap<StoredReference, NamedImage | undefined>();

function namedImage(stored: StoredReference): NamedImage | undefined {
  return PARSED.getOrInsertComputed(stored, ({ name, descriptor }) => {
    const reference = canonical(name);
    return reference && { name, reference, descriptor };
  });
}

/** Parses a name; returns `undefined` unless it is in the form that this package writes. */
function canonical(name: string): Reference | undefined {
  const reference = parseStoredName(name);
  return reference && formatReference(reference) === name ? reference : undefined;
}

/**
 * Returns the name in the catalog. Pushed images are listed under the name that the client used.
 */
function listedName(reference: Reference): string {
  return reference.registry === PUSHED_REGISTRY ? reference.repository : fullName(reference);
}

/** Sort key: images pushed to the name, the full name, Docker Hub, other registries by name. */
function precedence(reference: Reference, name: string): string {
  const { registry, repository } = reference;
  if (registry === PUSHED_REGISTRY && repository === name) return "0";
  if (fullName(reference) === name) return "1";
  return registry === "docker.io" ? "2" : `3${registry}`;
}
