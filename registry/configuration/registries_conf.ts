import { parseReference } from "../reference.ts";
import type { RegistriesConf, RegistryMirror, RegistryRule } from "../remote_client_options.ts";
import { RegistriesConfError } from "../errors.ts";
import { parseToml, TomlArray, TomlError, type TomlItem, TomlTable } from "./_toml.ts";
import { splitVersion } from "./_image_prefix.ts";

/** Options for {@linkcode parseRegistriesConf}. */
export interface ParseRegistriesConfOptions {
  /**
   * Name of the file for errors.
   *
   * @default {"registries.conf"}
   */
  readonly file?: string | undefined;
  /**
   * Whether it is a drop-in file, which must not have the format of version 1.
   *
   * @default {false}
   */
  readonly isDropIn?: boolean | undefined;
}

/** Values of `pull-from-mirror`; empty is the same as `all`. */
const MIRROR_USES: readonly string[] = ["", "all", "digest-only", "tag-only"];

/**
 * Parses the text of a `registries.conf` file, as described in containers-registries.conf(5). Reads
 * no file. Ignores settings that do not concern pulling, such as `unqualified-search-registries`.
 *
 * @throws {RegistriesConfError} If the text is not valid; the error has the line.
 *
 * @example Parse a mirror
 * ```ts
 * import { parseReference, parseRegistriesConf, pullSources } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const conf = parseRegistriesConf(`
 *   [[registry]]
 *   prefix = "docker.io"
 *   location = "docker.io"
 *   [[registry.mirror]]
 *   location = "mirror.example/hub"
 * `);
 *
 * const sources = pullSources(conf, parseReference("alpine"));
 * assertEquals(sources.map(({ registry, repository }) => `${registry}/${repository}`), [
 *   "mirror.example/hub/library/alpine",
 *   "docker.io/library/alpine",
 * ]);
 * ```
 */
export function parseRegistriesConf(
  text: string,
  options: ParseRegistriesConfOptions = {},
): RegistriesConf {
  const { file = "registries.conf", isDropIn = false } = options;
  try {
    const root = parseToml(text);
    return new Reader(file).read(root, isDropIn);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new RegistriesConfError(file, error.line, error.message);
  }
}

/**
 * Merges the content of files: a rule or an alias of a later file replaces that of an earlier one
 * with the same prefix or name.
 *
 * @param files Content of the files, in the order of reading.
 *
 * @example Override a rule
 * ```ts
 * import { mergeRegistriesConf, parseRegistriesConf } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const { rules } = mergeRegistriesConf([
 *   parseRegistriesConf('registry = [{ location = "a.example", blocked = true }]'),
 *   parseRegistriesConf('registry = [{ location = "a.example" }]'),
 * ]);
 *
 * assertEquals(rules.map(({ isBlocked }) => isBlocked), [false]);
 * ```
 */
export function mergeRegistriesConf(files: readonly RegistriesConf[]): RegistriesConf {
  const rules = new Map(files.flatMap(({ rules }) => rules.map((rule) => [rule.prefix, rule])));
  const aliases = new Map(files.flatMap(({ aliases }) => [...aliases]));
  return { rules: [...rules.values()], aliases };
}

/** A rule and its line. */
interface ReadRule {
  readonly rule: RegistryRule;
  readonly line: number;
}

/** Interprets the tables of a file. */
class Reader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  read(root: TomlTable, isDropIn: boolean): RegistriesConf {
    const old = root.items.get("registries");
    if (old !== undefined) return this.#readOld(root, old, isDropIn);
    const found = this.#tables(root.items.get("registry"), "registry").map(({ table, line }) => {
      return { rule: this.#rule(table, line), line };
    });
    this.#checkConflicts(found);
    const rules = new Map<string, RegistryRule>();
    // The first of several rules with the same prefix applies.
    for (const { rule } of found) if (!rules.has(rule.prefix)) rules.set(rule.prefix, rule);
    return { rules: [...rules.values()], aliases: this.#aliases(root.items.get("aliases")) };
  }

  #rule(table: TomlTable, line: number): RegistryRule {
    if (table.items.has("pull-from-mirror")) {
      throw new TomlError(line, '"pull-from-mirror" belongs to a mirror, not to a registry');
    }
    const location = this.#place(table.items.get("location"), "location");
    const prefix = this.#place(table.items.get("prefix"), "prefix") ?? location;
    if (prefix === undefined) throw new TomlError(line, "the registry has no prefix or location");
    const byDigestOnly = this.#flag(table, "mirror-by-digest-only");
    const mirrors = this.#tables(table.items.get("mirror"), "mirror").map(({ table, line }) => {
      const mirror = this.#mirror(table, line, byDigestOnly);
      this.#checkVersions(prefix, mirror.location, line);
      return mirror;
    });
    if (location !== undefined) this.#checkVersions(prefix, location, line);
    return {
      prefix,
      location: location === prefix ? undefined : location,
      isInsecure: this.#flag(table, "insecure"),
      isBlocked: this.#flag(table, "blocked"),
      mirrors,
      file: this.#file,
    };
  }

  #mirror(table: TomlTable, line: number, byDigestOnly: boolean): RegistryMirror {
    const location = this.#place(table.items.get("location"), "location");
    if (location === undefined) throw new TomlError(line, "the mirror has no location");
    const item = table.items.get("pull-from-mirror");
    const use = item === undefined ? "" : this.#string(item, "pull-from-mirror");
    const at = item?.line ?? line;
    if (!MIRROR_USES.includes(use)) {
      throw new TomlError(at, '"pull-from-mirror" must be "all", "digest-only" or "tag-only"');
    }
    if (byDigestOnly && use !== "") {
      throw new TomlError(at, '"pull-from-mirror" and "mirror-by-digest-only" exclude each other');
    }
    const isInsecure = this.#flag(table, "insecure");
    if (byDigestOnly) return { location, isInsecure, use: "digest-only" };
    return { location, isInsecure, use: use === "digest-only" || use === "tag-only" ? use : "all" };
  }

  /** Checks that the replacement of a prefix with a tag or digest has the same one. */
  #checkVersions(prefix: string, location: string, line: number): void {
    const { version } = splitVersion(prefix);
    if (splitVersion(location).version === version) return;
    const wanted = version === "" ? "no tag or digest" : `"${version}"`;
    throw new TomlError(line, `the location "${location}" must have ${wanted}, as its prefix has`);
  }

  /** Checks that rules with the same location have the same security settings. */
  #checkConflicts(found: readonly ReadRule[]): void {
    const seen = new Map<string, RegistryRule>();
    for (const { rule, line } of found) {
      const place = rule.location ?? rule.prefix;
      const other = seen.get(place) ?? rule;
      seen.set(place, other);
      for (const name of ["isInsecure", "isBlocked"] as const) {
        if (other[name] === rule[name]) continue;
        const setting = name === "isInsecure" ? "insecure" : "blocked";
        throw new TomlError(
          line,
          `an earlier table for "${place}" has another value of "${setting}"`,
        );
      }
    }
  }

  #aliases(item: TomlItem | undefined): ReadonlyMap<string, string> {
    const aliases = new Map<string, string>();
    if (item === undefined) return aliases;
    if (!(item.value instanceof TomlTable)) {
      throw new TomlError(item.line, '"aliases" is not a table');
    }
    for (const [name, value] of item.value.items) {
      const target = this.#string(value, name);
      if (!isShortName(name)) {
        throw new TomlError(value.line, `the alias "${name}" must be a name without a registry`);
      }
      if (target !== "" && !isFullName(target)) {
        const problem =
          `the alias "${name}" must stand for a name with a registry, and without a tag`;
        throw new TomlError(value.line, problem);
      }
      aliases.set(name, target);
    }
    return aliases;
  }

  /** Reads the format of version 1, which lists hosts. */
  #readOld(root: TomlTable, { value, line }: TomlItem, isDropIn: boolean): RegistriesConf {
    if (isDropIn) throw new TomlError(line, "a drop-in file must not have the old format");
    if (root.items.has("registry") || root.items.has("aliases")) {
      throw new TomlError(line, "it mixes the old format with the new one");
    }
    if (!(value instanceof TomlTable)) throw new TomlError(line, '"registries" is not a table');
    const hosts = (name: string) => this.#hosts(value.items.get(name), name);
    const [insecure, blocked] = [hosts("insecure"), hosts("block")];
    const rules = [...new Set([...insecure, ...blocked])].map((prefix): RegistryRule => ({
      prefix,
      location: undefined,
      isInsecure: insecure.includes(prefix),
      isBlocked: blocked.includes(prefix),
      mirrors: [],
      file: this.#file,
    }));
    return { rules, aliases: new Map() };
  }

  #hosts(item: TomlItem | undefined, name: string): readonly string[] {
    if (item === undefined) return [];
    const list = item.value instanceof TomlTable ? item.value.items.get("registries") : item;
    if (list === undefined) return [];
    if (!(list.value instanceof TomlArray)) {
      throw new TomlError(list.line, `"${name}" is not a list`);
    }
    return list.value.items.map((item) => this.#place(item, name) ?? "").filter(Boolean);
  }

  #tables(
    item: TomlItem | undefined,
    name: string,
  ): readonly { readonly table: TomlTable; readonly line: number }[] {
    if (item === undefined) return [];
    const { value, line } = item;
    const items = value instanceof TomlArray ? value.items : [];
    const tables = items.flatMap(({ value, line }) => {
      return value instanceof TomlTable ? [{ table: value, line }] : [];
    });
    if (!(value instanceof TomlArray) || tables.length < items.length) {
      throw new TomlError(line, `"${name}" must be tables, each with the header [[${name}]]`);
    }
    return tables;
  }

  /** Reads a host with an optional path; `undefined` if it is absent or empty. */
  #place(item: TomlItem | undefined, name: string): string | undefined {
    if (item === undefined) return undefined;
    const text = this.#string(item, name).replace(/(?<!\/)\/+$/, "");
    if (text === "") return undefined;
    const problem = placeProblem(text, name === "prefix");
    if (problem !== undefined) throw new TomlError(item.line, `the ${name} "${text}" ${problem}`);
    return text;
  }

  #string({ value, line }: TomlItem, name: string): string {
    if (typeof value === "string") return value;
    throw new TomlError(line, `"${name}" must be a string`);
  }

  #flag(table: TomlTable, name: string): boolean {
    const { value = false, line = 0 } = table.items.get(name) ?? {};
    if (typeof value === "boolean") return value;
    throw new TomlError(line, `"${name}" must be true or false`);
  }
}

function placeProblem(text: string, isPrefix: boolean): string | undefined {
  if (/^[a-z]+:\/\//.test(text)) return "must not be a URL";
  if (isPrefix && text.startsWith("*.")) {
    return /^\*(?:\.[A-Za-z0-9-]+)+$/.test(text) ? undefined : 'must have the form "*.example.com"';
  }
  const [host = "", ...path] = splitVersion(text).name.split("/");
  const isHost = /^(?:[A-Za-z0-9.-]+|\[[A-Fa-f0-9:]+\])(?::[0-9]+)?$/.test(host) &&
    URL.canParse(`https://${host}`);
  if (!isHost) return "must begin with the host of a registry";
  return path.every((part) => /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/.test(part))
    ? undefined
    : "has a path that is not the name of a repository";
}

function isShortName(name: string): boolean {
  return /^[a-z0-9._/-]+$/.test(name) && parsesAs(`docker.io/${name}`) && !hasRegistry(name);
}

function isFullName(name: string): boolean {
  return splitVersion(name).version === "" && hasRegistry(name) && parsesAs(name);
}

/** Whether the first part of a name is a host. */
function hasRegistry(name: string): boolean {
  const [first = "", ...path] = name.split("/");
  return path.length > 0 && (/[.:]/.test(first) || first === "localhost");
}

function parsesAs(name: string): boolean {
  try {
    return parseReference(name).registry !== "";
  } catch {
    return false;
  }
}
