import { dirname, join } from "../../spec/paths.ts";
import { DOCKER_HUB, DOCKER_HUB_HOST } from "../reference.ts";
import type { HostCapability, RegistryHost } from "../registry_rule.ts";
import {
  flagOf,
  parseToml,
  stringOf,
  tableOf,
  TomlArray,
  TomlError,
  type TomlItem,
  type TomlTable,
} from "./_toml.ts";

/** Valid capabilities. Referrers are always read from the registry, so `referrers` is ignored. */
const CAPABILITIES: readonly string[] = ["pull", "resolve", "push", "referrers"];
/** Default for a mirror. Containerd would also push to it. */
const MIRROR_CAPABILITIES: readonly HostCapability[] = ["pull", "resolve"];
const ALL_CAPABILITIES: readonly HostCapability[] = ["pull", "resolve", "push"];

/**
 * Parses the text of a `hosts.toml` file of containerd: the hosts in order, then the server.
 *
 * @param path Path of the file, which paths in it are relative to.
 * @throws {TomlError} If the text is not valid.
 */
export function parseHostsToml(text: string, path: string): readonly RegistryHost[] {
  const root = parseToml(text);
  const hosts = root.items.get("host");
  const mirrors = hosts === undefined ? [] : [...tableOf(hosts, "host").items];
  return [
    ...mirrors.map(([address, item]) => {
      const table = tableOf(item, address);
      return readHost(table, path, { text: address, line: item.line }, MIRROR_CAPABILITIES);
    }),
    readHost(root, path, serverOf(root), ALL_CAPABILITIES),
  ];
}

/** The address of a host, as in the file. */
interface Address {
  readonly text: string;
  readonly line: number;
}

function serverOf(root: TomlTable): Address | undefined {
  const item = root.items.get("server");
  if (item === undefined) return undefined;
  const text = stringOf(item, "server");
  return text === "" ? undefined : { text, line: item.line };
}

function readHost(
  table: TomlTable,
  path: string,
  address: Address | undefined,
  defaults: readonly HostCapability[],
): RegistryHost {
  const filesOf = (name: string) => {
    return listOf(table.items.get(name)).map((item) => absolute(stringOf(item, name), path));
  };
  return {
    url: address && urlOf(address, flagOf(table, "override_path")),
    isMirror: defaults === MIRROR_CAPABILITIES,
    capabilities: capabilitiesOf(table.items.get("capabilities")) ?? defaults,
    isInsecure: false,
    skipVerify: flagOf(table, "skip_verify"),
    sendsNamespace: true,
    caFiles: filesOf("ca"),
    clientFiles: listOf(table.items.get("client")).map((item) => clientOf(item, path)),
    headers: headersOf(table.items.get("header")),
    dialTimeoutMs: durationOf(table.items.get("dial_timeout")),
  };
}

/** Returns the URL of the API: the address itself if the path is overridden, else with `/v2`. */
function urlOf({ text, line }: Address, isApi: boolean): string {
  const url = URL.parse(text.includes("://") ? text : `https://${text}`);
  const isUsable = url !== null && /^https?:$/.test(url.protocol) && url.username === "" &&
    url.password === "" && url.search === "" && url.hash === "";
  if (!isUsable) throw new TomlError(line, "a host is not a URL such as https://mirror.example");
  // Many files use the name of Docker Hub, which is not the host of its registry.
  if (url.host === DOCKER_HUB) url.host = DOCKER_HUB_HOST;
  const path = url.pathname.replace(/(?<!\/)\/+$/, "");
  return url.origin + (isApi || path.endsWith("/v2") ? path : `${path}/v2`);
}

function capabilitiesOf(item: TomlItem | undefined): readonly HostCapability[] | undefined {
  const names = listOf(item).map((item) => {
    const name = stringOf(item, "capabilities").toLowerCase();
    if (CAPABILITIES.includes(name)) return name;
    throw new TomlError(item.line, '"capabilities" may contain "pull", "resolve" and "push"');
  });
  if (names.length === 0) return undefined;
  return ALL_CAPABILITIES.filter((name) => names.includes(name));
}

/** Reads a client certificate: the path of a file that also has the key, or the paths of both. */
function clientOf(item: TomlItem, path: string): RegistryHost["clientFiles"][number] {
  const files = listOf(item).map((item) => stringOf(item, "client"));
  const [cert = "", key = ""] = files;
  if (cert === "" || files.length > 2) {
    throw new TomlError(item.line, '"client" must be paths, or pairs of paths');
  }
  return { cert: absolute(cert, path), key: absolute(key === "" ? cert : key, path) };
}

function headersOf(item: TomlItem | undefined): Readonly<Record<string, string>> {
  if (item === undefined) return {};
  const headers = [...tableOf(item, "header").items].map(([name, item]) => {
    const value = listOf(item).map((item) => stringOf(item, name)).join(", ");
    return [name.toLowerCase(), value] as const;
  });
  try {
    new Headers(headers.map(([name, value]) => [name, value]));
  } catch {
    // Deno's message would show the value, which may be secret.
    throw new TomlError(item.line, '"header" contains characters that HTTP does not allow');
  }
  return Object.fromEntries(headers);
}

/** Milliseconds in each unit of Go's durations. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

function durationOf(item: TomlItem | undefined): number | undefined {
  const text = item === undefined ? "" : stringOf(item, "dial_timeout");
  if (item === undefined || text === "") return undefined;
  if (!/^(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw new TomlError(item.line, '"dial_timeout" must be a duration such as "5s"');
  }
  const parts = [...text.matchAll(/([0-9.]+)([a-zµ]+)/g)];
  const ms = parts.reduce(
    (sum, [, count, unit = ""]) => sum + Number(count) * (UNITS[unit] ?? 0),
    0,
  );
  // Timers are limited to 31 bits. Zero means no limit in Go.
  return ms === 0 ? undefined : Math.min(Math.ceil(ms), 2 ** 31 - 1);
}

/** Returns the items of an array, or the item itself if it is not one; none if it is absent. */
function listOf(item: TomlItem | undefined): readonly TomlItem[] {
  if (item === undefined) return [];
  return item.value instanceof TomlArray ? item.value.items : [item];
}

function absolute(path: string, file: string): string {
  return path.startsWith("/") ? path : join(dirname(file), path);
}
