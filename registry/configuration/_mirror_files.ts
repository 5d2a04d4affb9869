import type { RegistryRule } from "../remote_client_options.ts";
import { parseDaemonJson } from "./_daemon_json.ts";
import { parseHostsToml } from "./_hosts_toml.ts";
import { rulesFor } from "./registry_rules.ts";
import { TomlError } from "./_toml.ts";
import { readProblem, readUserFileOrWarn, statGranted } from "./user_file.ts";

/** What a rule says that changes nothing. */
const NO_CHANGE = { location: undefined, isInsecure: false, isBlocked: false, mirrors: [] };

/** Files of containerd and docker that name mirrors. */
export interface MirrorFiles {
  /** Existing directories with a directory for each host, by precedence. */
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
  const found = new FoundRules(known);
  const claimed = new Map<string, string>();
  for (const directory of hostsDirectories) {
    for (const { registry, path } of hostDirectories(directory, onWarning)) {
      // A directory without the file may have certificates, and counts as well.
      if (claimed.has(registry) || claimed.has("*")) continue;
      claimed.set(registry, path);
      const file = `${path}/hosts.toml`;
      const bytes = await readUserFileOrWarn(file, onWarning);
      if (bytes === undefined || bytes.length === 0) continue;
      found.add(file, parseOrWarn(file, () => [hostsRule(bytes, file, registry)], onWarning));
    }
  }
  const bytes = daemonFile === undefined
    ? undefined
    : await readUserFileOrWarn(daemonFile, onWarning);
  if (daemonFile !== undefined && bytes !== undefined) {
    found.add(
      daemonFile,
      parseOrWarn(daemonFile, () => parseDaemonJson(bytes, daemonFile), onWarning),
    );
  }
  found.exempt(claimed);
  return found;
}

/** Collects rules, except those for registries that others name. */
class FoundRules implements MirrorRules {
  readonly rules: RegistryRule[] = [];
  readonly files: string[] = [];
  readonly unused: UnusedFile[] = [];
  readonly #known: readonly RegistryRule[];

  constructor(known: readonly RegistryRule[]) {
    this.#known = known;
  }

  add(path: string, rules: readonly RegistryRule[] | undefined): void {
    if (rules === undefined) return;
    const isNamed = ({ prefix }: RegistryRule) => {
      const others = [...this.#known, ...this.rules];
      return rulesFor({ rules: others }, prefix).some(({ prefix, file }) => {
        return prefix !== "*" && file !== path;
      });
    };
    const unused = rules.filter(isNamed);
    this.unused.push(...unused.map(({ prefix }) => ({ path, registry: prefix })));
    this.rules.push(...rules.filter((rule) => !unused.includes(rule)));
    if (unused.length < rules.length) this.files.push(path);
  }

  /** Keeps the rule for all registries from those that have a directory, but no rule. */
  exempt(directories: ReadonlyMap<string, string>): void {
    if (!this.rules.some(({ prefix }) => prefix === "*")) return;
    const unnamed = [...directories].filter(([registry]) => {
      const rules = rulesFor({ rules: [...this.#known, ...this.rules] }, registry);
      return rules.every(({ prefix }) => prefix === "*" && prefix !== registry);
    });
    this.rules.push(...unnamed.map(([prefix, file]) => ({ ...NO_CHANGE, prefix, file })));
  }
}

interface HostDirectory {
  readonly registry: string;
  readonly path: string;
}

/** Lists the directories of hosts: `HOST`, `HOST:PORT` or `HOST_PORT_`, and `_default`. */
function hostDirectories(
  directory: string,
  onWarning: (message: string) => void,
): readonly HostDirectory[] {
  let names: readonly string[];
  try {
    names = [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    onWarning(`Cannot read the directory "${directory}": ${readProblem(error)}. It is not used`);
    return [];
  }
  const found = names.filter((name) => statGranted(`${directory}/${name}`)?.isDirectory)
    .map((name) => ({ name, registry: registryOf(name), path: `${directory}/${name}` }));
  // The form without a colon takes precedence, and `_default` is last.
  const rank = ({ name, registry }: typeof found[number]) => {
    return registry === "*" ? 2 : name === registry ? 1 : 0;
  };
  return found.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

function registryOf(name: string): string {
  return name === "_default" ? "*" : name.replace(/_([0-9]+)_$/, ":$1");
}

function hostsRule(bytes: Uint8Array, file: string, prefix: string): RegistryRule {
  const hosts = parseHostsToml(new TextDecoder().decode(bytes), file);
  return { ...NO_CHANGE, prefix, hosts, file };
}

function parseOrWarn<T>(
  path: string,
  parse: () => T,
  onWarning: (message: string) => void,
): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof TomlError || error instanceof SyntaxError)) throw error;
    const problem = error instanceof TomlError
      ? `Cannot use "${path}": line ${error.line}: ${error.message}`
      : error.message;
    onWarning(`${problem}. The file is not used`);
    return undefined;
  }
}
