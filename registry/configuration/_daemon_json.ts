import { documentError, JsonReader } from "../../spec/json_reader.ts";
import { DOCKER_HUB } from "../reference.ts";
import type { RegistryHost, RegistryRule } from "../registry_rule.ts";
import { parseIp, parseNetwork } from "../transport/ip_network.ts";

/** A host without any settings. */
const HOST: RegistryHost = {
  url: undefined,
  isMirror: false,
  capabilities: ["pull", "resolve", "push"],
  isInsecure: false,
  skipVerify: false,
  sendsNamespace: false,
  caFiles: [],
  clientFiles: [],
  headers: {},
  dialTimeoutMs: undefined,
};

/**
 * Parses docker's `daemon.json`: mirrors of Docker Hub, and registries without TLS.
 *
 * @param path Path of the file.
 * @throws {SyntaxError} If the content is not valid.
 */
export function parseDaemonJson(bytes: Uint8Array, path: string): readonly RegistryRule[] {
  const root = JsonReader.parse(bytes, path);
  const insecure = root.maybe("insecure-registries")?.array().map(insecurePrefix) ?? [];
  const mirrors = root.maybe("registry-mirrors")?.array().map(mirrorUrl) ?? [];
  const common = { location: undefined, isBlocked: false, mirrors: [], file: path };
  const hosts = mirrors.map((url): RegistryHost => {
    const isInsecure = insecure.includes(url.host);
    return {
      ...HOST,
      url: url.href,
      isMirror: true,
      capabilities: ["pull", "resolve"],
      isInsecure,
    };
  });
  const isInsecure = insecure.includes(DOCKER_HUB);
  const hub = hosts.length === 0 ? [] : [
    { ...common, prefix: DOCKER_HUB, isInsecure, hosts: [...hosts, { ...HOST, isInsecure }] },
  ];
  return [
    ...insecure.filter((prefix) => prefix !== DOCKER_HUB || hub.length === 0)
      .map((prefix) => ({ ...common, prefix, isInsecure: true })),
    ...hub,
  ];
}

/** Reads a host, which may have a scheme, or a network. */
function insecurePrefix(item: JsonReader): string {
  const text = addressOf(item).replace(/^https?:\/\//i, "").toLowerCase();
  if (parseNetwork(text) !== undefined) return text;
  // Docker takes an IPv6 address without brackets; references have them.
  if (text.includes(":") && parseIp(`[${text}]`) !== undefined) return `[${text}]`;
  const isHost = /^[^/?#@]+$/.test(text) && URL.canParse(`https://${text}`);
  return isHost ? text : item.fail("a host or a network in CIDR notation");
}

/** Reads the URL of a mirror, and appends the path of the API. */
function mirrorUrl(item: JsonReader): URL {
  const url = URL.parse(addressOf(item));
  const isUsable = url !== null && /^https?:$/.test(url.protocol) && url.search === "" &&
    url.hash === "";
  if (!isUsable) item.fail("a URL such as https://mirror.example");
  url.pathname = `${url.pathname.replace(/(?<!\/)\/+$/, "")}/v2`;
  return url;
}

/** Reads an address. Rejects a password in it without quoting it. */
function addressOf(item: JsonReader): string {
  const text = item.string();
  if (text.includes("@")) throw documentError(item.path, 'it must not contain "@"');
  return text;
}
