import { statGranted } from "../../spec/granted.ts";
import type { RegistryRule } from "../registry_rule.ts";
import { parseDaemonJson } from "./_daemon_json.ts";
import { parseHostsToml } from "./_hosts_toml.ts";
import { TomlError } from "./_toml.ts";
import { rulesFor } from "./registry_rules.ts";
import { listUserDirectory, readUserFileOrWarn } from "./user_file.ts";

/** Settings of a rule that changes nothing. */
const NO_CHANGE = { location: undefined, isInsecure: false, isBlocked: false, mirrors: [] };

/** Files of containerd and docker that name mirrors. */
export interface MirrorFiles {
  /** Existing directories that have a directory for each host, in order of precedence. */
  readonly hostsDirectories: readonly string[];
  /** Docker's `daemon.json`, if there is one. */
  readonly daemonFile: string | undefined;
}

/** A file that is not used for a registry, because a file of higher precedence names it. */
export interface UnusedFile {
  /** Path of the file. */
  readonly path: string;
  /** The registry. */
  readonly registry: string;
}

/** Content of {@linkcode MirrorFiles}. */
export interface MirrorRules {
  readonly rules: readonly RegistryRule[];
  readonly files: readonly string[];
  readonly unused: readonly UnusedFile[];
}

/**
 * Reads the rules of containerd and docker for registries that no other rule names. Skips damaged
 * files with a warning, as containerd does.
 */
export async function readMirrorFiles(
  { hostsDirectories, daemonFile }: MirrorFiles,
  known: readonly RegistryRule[],
  onWarning: (message: string) => void,
): Promise<MirrorRules> {
  const found = new FoundRules(known, onWarning);
  const claimed = new Map<string, string>();
  for (const directory of hostsDirectories) {
    for (const { registry, path } of hostDirectories(directory, onWarning)) {
      // A directory without the file also counts: it may contain certificates.
      if (claimed.has(registry) || claimed.has("*")) continue;
      claimed.set(registry, path);
      await found.read(`${path}/hosts.toml`, (bytes, file) => hostsRules(bytes, file, registry));
    }
  }
  if (daemonFile !== undefined) await found.read(daemonFile, parseDaemonJson);
  found.exempt(claimed);
  return found;
}

/** Collects rules, except those for registries that a file of higher precedence names. */
class FoundRules implements MirrorRules {
  readonly rules: RegistryRule[] = [];
  readonly files: string[] = [];
  readonly unused: UnusedFile[] = [];
  readonly #known: readonly RegistryRule[];
  readonly #onWarning: (message: string) => void;

  constructor(known: readonly RegistryRule[], onWarning: (message: string) => void) {
    this.#known = known;
    this.#onWarning = onWarning;
  }

  /** Adds the rules of a file. Skips a damaged one with a warning. */
  async read(
    path: string,
    parse: (bytes: Uint8Array, path: string) => readonly RegistryRule[],
  ): Promise<void> {
    const bytes = await readUserFileOrWarn(path, this.#onWarning);
    if (bytes === undefined) return;
    let rules: readonly RegistryRule[];
    try {
      rules = parse(bytes, path);
    } catch (error) {
      if (!(error instanceof TomlError || error instanceof SyntaxError)) throw error;
      const problem = error instanceof TomlError
        ? `Cannot use "${path}": line ${error.line}: ${error.message}`
        : error.message;
      return this.#onWarning(`${problem}. The file is not used`);
    }
    const unused = rules.filter(({ prefix }) => {
      return this.#rulesFor(prefix).some(({ prefix, file }) => prefix !== "*" && file !== path);
    });
    this.unused.push(...unused.map(({ prefix }) => ({ path, registry: prefix })));
    this.rules.push(...rules.filter((rule) => !unused.includes(rule)));
    if (unused.length < rules.length) this.files.push(path);
  }

  /** Exempts registries that have a directory but no rule from the rule for all registries. */
  exempt(directories: ReadonlyMap<string, string>): void {
    if (!this.rules.some(({ prefix }) => prefix === "*")) return;
    const unnamed = [...directories].filter(([registry]) => {
      return this.#rulesFor(registry).every(({ prefix }) => prefix === "*" && prefix !== registry);
    });
    this.rules.push(...unnamed.map(([prefix, file]) => ({ ...NO_CHANGE, prefix, file })));
  }

  #rulesFor(registry: string): readonly RegistryRule[] {
    return rulesFor({ rules: [...this.#known, ...this.rules] }, registry);
  }
}

interface HostDirectory {
  readonly registry: string;
  readonly path: string;
}

/**
 * Lists the directories of hosts: `HOST`, `HOST:PORT` or `HOST_PORT_`, and `_default`. Unlike in a
 * `registries.conf` file, `*` is no wildcard in their names.
 */
function hostDirectories(
  directory: string,
  onWarning: (message: string) => void,
): readonly HostDirectory[] {
  const found = listUserDirectory(directory, onWarning)
    .map(({ name }) => ({ name, registry: registryOf(name), path: `${directory}/${name}` }))
    .filter(({ name, path }) => !name.startsWith("*") && statGranted(path)?.isDirectory);
  // The form without a colon takes precedence, and `_default` is last.
  const rank = ({ name, registry }: typeof found[number]) => {
    return registry === "*" ? 2 : name === registry ? 1 : 0;
  };
  return found.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

function registryOf(name: string): string {
  return name === "_default" ? "*" : name.replace(/_([0-9]+)_$/, ":$1");
}

function hostsRules(bytes: Uint8Array, file: string, prefix: string): readonly RegistryRule[] {
  if (bytes.length === 0) return [];
  const hosts = parseHostsToml(new TextDecoder().decode(bytes), file);
  return [{ ...NO_CHANGE, prefix, hosts, file }];
}
