import { RegistriesConfError } from "../errors.ts";
import { hostProblem, isReference, isRepositoryName, splitVersion } from "../reference.ts";
import type {
  DefaultCredentialHelpers,
  RegistriesConf,
  RegistryMirror,
  RegistryRule,
} from "../registry_rule.ts";
import {
  flagOf,
  parseToml,
  stringOf,
  tableOf,
  TomlArray,
  TomlError,
  type TomlItem,
  TomlTable,
} from "./_toml.ts";

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
 * no file. Ignores other settings, such as `unqualified-search-registries`.
 *
 * @throws {RegistriesConfError} If the text is not valid; the error has the line.
 *
 * @example Find the mirror of an image
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
    return readConf(parseToml(text), file, isDropIn);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new RegistriesConfError(file, error.line, error.message);
  }
}

/**
 * Merges the content of files: a rule or an alias of a later file replaces that of an earlier one
 * with the same prefix or name, and its list of credential helpers replaces an earlier list.
 *
 * @param files Content of the files, in the order of reading.
 *
 * @example Override a rule of an earlier file
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
  const credentialHelpers = files.findLast((file) => file.credentialHelpers)?.credentialHelpers;
  return { rules: [...rules.values()], aliases, credentialHelpers };
}

/** A table and its line. */
interface LocatedTable {
  readonly table: TomlTable;
  readonly line: number;
}

function readConf(root: TomlTable, file: string, isDropIn: boolean): RegistriesConf {
  const old = root.items.get("registries");
  if (old !== undefined) return readOldConf(root, old, file, isDropIn);
  const tables = tablesOf(root.items.get("registry"), "registry");
  const found = tables.map((table) => ({ rule: readRule(table, file), line: table.line }));
  checkConflicts(found);
  const rules = new Map<string, RegistryRule>();
  // The first of several rules with the same prefix applies.
  for (const { rule } of found) if (!rules.has(rule.prefix)) rules.set(rule.prefix, rule);
  return {
    rules: [...rules.values()],
    aliases: readAliases(root.items.get("aliases")),
    credentialHelpers: readHelpers(root.items.get("credential-helpers"), file),
  };
}

function readHelpers(
  item: TomlItem | undefined,
  file: string,
): DefaultCredentialHelpers | undefined {
  if (item === undefined) return undefined;
  const names = listOf(item, "credential-helpers").map((name) => {
    return stringOf(name, "credential-helpers");
  });
  return { names, file };
}

function readRule({ table, line }: LocatedTable, file: string): RegistryRule {
  if (table.items.has("pull-from-mirror")) {
    throw new TomlError(line, '"pull-from-mirror" belongs to a mirror, not to a registry');
  }
  const location = placeOf(table.items.get("location"), "location");
  const prefix = placeOf(table.items.get("prefix"), "prefix") ?? location;
  if (prefix === undefined) throw new TomlError(line, "the registry has no prefix or location");
  const byDigestOnly = flagOf(table, "mirror-by-digest-only");
  const mirrors = tablesOf(table.items.get("mirror"), "mirror").map((table) => {
    const mirror = readMirror(table, byDigestOnly);
    checkVersion(prefix, mirror.location, table.line);
    return mirror;
  });
  if (location !== undefined) checkVersion(prefix, location, line);
  return {
    prefix,
    location: location === prefix ? undefined : location,
    isInsecure: flagOf(table, "insecure"),
    isBlocked: flagOf(table, "blocked"),
    mirrors,
    file,
  };
}

function readMirror({ table, line }: LocatedTable, byDigestOnly: boolean): RegistryMirror {
  const location = placeOf(table.items.get("location"), "location");
  if (location === undefined) throw new TomlError(line, "the mirror has no location");
  const item = table.items.get("pull-from-mirror");
  const use = item === undefined ? "" : stringOf(item, "pull-from-mirror");
  const at = item?.line ?? line;
  if (!MIRROR_USES.includes(use)) {
    throw new TomlError(at, '"pull-from-mirror" must be "all", "digest-only" or "tag-only"');
  }
  if (byDigestOnly && use !== "") {
    throw new TomlError(at, '"pull-from-mirror" and "mirror-by-digest-only" exclude each other');
  }
  const isInsecure = flagOf(table, "insecure");
  if (byDigestOnly) return { location, isInsecure, use: "digest-only" };
  return { location, isInsecure, use: use === "digest-only" || use === "tag-only" ? use : "all" };
}

/** Checks that a location has the same tag or digest as the prefix that it replaces. */
function checkVersion(prefix: string, location: string, line: number): void {
  const { version } = splitVersion(prefix);
  if (splitVersion(location).version === version) return;
  const wanted = version === "" ? "no tag or digest" : `"${version}"`;
  throw new TomlError(line, `the location "${location}" must have ${wanted}, as its prefix has`);
}

/** Checks that rules with the same location have the same security settings. */
function checkConflicts(
  found: readonly { readonly rule: RegistryRule; readonly line: number }[],
): void {
  const seen = new Map<string, RegistryRule>();
  for (const { rule, line } of found) {
    const place = rule.location ?? rule.prefix;
    const other = seen.get(place) ?? rule;
    seen.set(place, other);
    const setting = other.isInsecure !== rule.isInsecure
      ? "insecure"
      : other.isBlocked !== rule.isBlocked
      ? "blocked"
      : undefined;
    if (setting === undefined) continue;
    throw new TomlError(line, `an earlier table for "${place}" has another value of "${setting}"`);
  }
}

function readAliases(item: TomlItem | undefined): ReadonlyMap<string, string> {
  const aliases = new Map<string, string>();
  if (item === undefined) return aliases;
  for (const [name, value] of tableOf(item, "aliases").items) {
    const target = stringOf(value, name);
    if (!isShortName(name)) {
      throw new TomlError(value.line, `the alias "${name}" must be a name without a registry`);
    }
    if (target !== "" && !isFullName(target)) {
      throw new TomlError(
        value.line,
        `the alias "${name}" must stand for a name with a registry, and without a tag`,
      );
    }
    aliases.set(name, target);
  }
  return aliases;
}

/** Reads the format of version 1, which lists hosts. */
function readOldConf(
  root: TomlTable,
  item: TomlItem,
  file: string,
  isDropIn: boolean,
): RegistriesConf {
  const { line } = item;
  if (isDropIn) throw new TomlError(line, "a drop-in file must not have the old format");
  if (["registry", "aliases", "credential-helpers"].some((name) => root.items.has(name))) {
    throw new TomlError(line, "it mixes the old format with the new one");
  }
  const { items } = tableOf(item, "registries");
  const insecure = hostsOf(items.get("insecure"), "insecure");
  const blocked = hostsOf(items.get("block"), "block");
  const rules = [...new Set([...insecure, ...blocked])].map((prefix) => ({
    prefix,
    location: undefined,
    isInsecure: insecure.includes(prefix),
    isBlocked: blocked.includes(prefix),
    mirrors: [],
    file,
  }));
  return { rules, aliases: new Map() };
}

function hostsOf(item: TomlItem | undefined, name: string): readonly string[] {
  const list = item?.value instanceof TomlTable ? item.value.items.get("registries") : item;
  if (list === undefined) return [];
  return listOf(list, name).map((item) => placeOf(item, name) ?? "").filter(Boolean);
}

function listOf({ value, line }: TomlItem, name: string): readonly TomlItem[] {
  if (!(value instanceof TomlArray)) throw new TomlError(line, `"${name}" is not a list`);
  return value.items;
}

function tablesOf(item: TomlItem | undefined, name: string): readonly LocatedTable[] {
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
function placeOf(item: TomlItem | undefined, name: string): string | undefined {
  if (item === undefined) return undefined;
  const text = stringOf(item, name).replace(/(?<!\/)\/+$/, "");
  if (text === "") return undefined;
  const problem = placeProblem(text, name === "prefix");
  if (problem === undefined) return text;
  // It may contain a password.
  const shown = text.replace(/^((?:[a-z]+:\/\/)?).*@/i, "$1***@");
  throw new TomlError(item.line, `the ${name} "${shown}" ${problem}`);
}

function placeProblem(text: string, isPrefix: boolean): string | undefined {
  if (/^[a-z]+:\/\//.test(text)) return "must not be a URL";
  if (isPrefix && text.startsWith("*.")) {
    return /^\*(?:\.[A-Za-z0-9-]+)+$/.test(text) ? undefined : 'must have the form "*.example.com"';
  }
  const [host = "", ...path] = splitVersion(text).name.split("/");
  if (hostProblem(host) !== undefined) return "must begin with the host of a registry";
  return path.every((part) => isRepositoryName(part))
    ? undefined
    : "has a path that is not the name of a repository";
}

function isShortName(name: string): boolean {
  return /^[a-z0-9._/-]+$/.test(name) && isReference(`docker.io/${name}`) && !hasRegistry(name);
}

function isFullName(name: string): boolean {
  return splitVersion(name).version === "" && hasRegistry(name) && isReference(name);
}

/** Returns whether the first part of a name is a host. */
function hasRegistry(name: string): boolean {
  const [first = "", ...path] = name.split("/");
  return path.length > 0 && (/[.:]/.test(first) || first === "localhost");
}
