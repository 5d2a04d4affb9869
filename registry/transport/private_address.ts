/** An IP address as 16 bytes; one of IPv4 as IPv4 in IPv6 (`::ffff:0:0/96`). */
export type IpAddress = Uint8Array;

/** A network of addresses, as CIDR notation writes it. */
export interface IpNetwork {
  readonly address: IpAddress;
  /** How many bits are those of the network, of 128. */
  readonly bits: number;
}

const IPV4_BITS = 96;

/** Loopback, link-local, RFC 1918, RFC 6598 and unique local addresses. */
const PRIVATE_NETWORKS = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"],
  ...["172.16.0.0/12", "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10"],
].map(knownNetwork);
const LOOPBACK_NETWORKS = ["127.0.0.0/8", "::1/128"].map(knownNetwork);
/** Clouds keep the credentials of their machines at such addresses. */
const LINK_LOCAL_NETWORKS = ["169.254.0.0/16", "fe80::/10"].map(knownNetwork);
/** Addresses of IPv4 inside IPv6: compatible ones and NAT64. */
const EMBEDDING_NETWORKS = ["::/96", "64:ff9b::/96"].map(knownNetwork);

/**
 * Whether a URL names this machine or a private network by itself: loopback, link-local
 * (where clouds keep their metadata), RFC 1918, RFC 6598 or unique local. A public registry has no
 * business to send a client there. Names are not looked up.
 */
export function isPrivateAddress(url: URL): boolean {
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  return isIn(host, PRIVATE_NETWORKS);
}

/** Whether a URL names this machine: plain HTTP is harmless there. */
export function isLoopback(url: URL): boolean {
  return url.hostname === "localhost" || isIn(url.hostname, LOOPBACK_NETWORKS);
}

/** Whether a host, or an address that it has, is a link-local address. */
export function isLinkLocal(host: string): boolean {
  return isIn(host, LINK_LOCAL_NETWORKS);
}

/** Parses an IP address, in brackets or not; `undefined` for everything else. */
export function parseIp(text: string): IpAddress | undefined {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  if (/^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(bare)) {
    const bytes = bare.split(".").map(Number);
    const isValid = bytes.every((byte) => byte <= 255);
    return isValid ? Uint8Array.of(...Array(10).fill(0), 255, 255, ...bytes) : undefined;
  }
  // `URL` knows all the ways to write an address, and writes it in one.
  const host = bare.includes(":") ? URL.parse(`http://[${bare}]/`)?.hostname : undefined;
  if (host === undefined) return undefined;
  const [head = "", tail] = host.slice(1, -1).split("::");
  const groups = (part: string) =>
    part === "" ? [] : part.split(":").map((hex) => parseInt(hex, 16));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const zeros = Array<number>(8 - first.length - last.length).fill(0);
  const all = [...first, ...zeros, ...last];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/** Parses `ADDRESS/BITS`; `undefined` for everything else. */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [, host = "", length = ""] = /^([^/]+)\/([0-9]{1,3})$/.exec(text) ?? [];
  const address = parseIp(host);
  if (address === undefined) return undefined;
  const bits = Number(length) + (host.includes(":") ? 0 : IPV4_BITS);
  return bits <= 128 ? { address, bits } : undefined;
}

/** Whether an address belongs to a network. */
export function isInNetwork(ip: IpAddress, { address, bits }: IpNetwork): boolean {
  return ip.every((byte, i) => {
    const mask = 0xff00 >> Math.min(8, Math.max(0, bits - i * 8)) & 0xff;
    return (byte & mask) === ((address[i] ?? 0) & mask);
  });
}

function isIn(host: string, networks: readonly IpNetwork[]): boolean {
  const ip = parseIp(host);
  if (ip === undefined) return false;
  const isEmbedding = EMBEDDING_NETWORKS.some((network) => isInNetwork(ip, network));
  const embedded = Uint8Array.of(...Array(10).fill(0), 255, 255, ...ip.subarray(12));
  return [ip, ...isEmbedding ? [embedded] : []].some((address) => {
    return networks.some((network) => isInNetwork(address, network));
  });
}

function knownNetwork(text: string): IpNetwork {
  const network = parseNetwork(text);
  if (network === undefined) throw new TypeError(`Cannot parse the network "${text}"`);
  return network;
}
