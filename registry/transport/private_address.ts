/** An IP address as 16 bytes; IPv4 addresses are mapped to IPv6 (`::ffff:0:0/96`). */
export type IpAddress = Uint8Array;

/** A network in CIDR notation. */
export interface IpNetwork {
  readonly address: IpAddress;
  /** Length of the network prefix, of 128 bits. */
  readonly bits: number;
}

const IPV4_BITS = 96;

/** Loopback, link-local, RFC 1918, RFC 6598, RFC 6890 and unique local addresses. */
const PRIVATE_NETWORKS = networks(
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"],
  ...["172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10"],
);
const LOOPBACK_NETWORKS = networks("127.0.0.0/8", "::1/128");
/**
 * Addresses at which clouds serve the credentials of their machines: link-local ones, and those of
 * Alibaba Cloud, Oracle Cloud, Azure, Amazon EC2 and EKS, Google Cloud and Scaleway.
 */
const METADATA_NETWORKS = networks(
  ...["169.254.0.0/16", "fe80::/10", "100.100.100.200/32"],
  ...["192.0.0.192/32", "fd00:c1::a9fe:a9fe/128", "168.63.129.16/32"],
  ...["fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128", "fd00:42::42/128"],
);
/** IPv4 addresses embedded in IPv6: compatible ones and NAT64. */
const EMBEDDING_NETWORKS = networks("::/96", "64:ff9b::/96");

/**
 * Returns whether the host of a URL is this machine or a private address: loopback, link-local
 * (where clouds serve their metadata), RFC 1918, RFC 6598 or unique local. A public registry has no
 * reason to send a client there. Does not resolve names.
 */
export function isPrivateAddress(url: URL): boolean {
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  return isIn(host, PRIVATE_NETWORKS);
}

/** Returns whether the host of a URL is this machine, where plain HTTP is safe. */
export function isLoopback(url: URL): boolean {
  return url.hostname === "localhost" || isIn(url.hostname, LOOPBACK_NETWORKS);
}

/** Returns whether a host is an address at which clouds serve the credentials of their machines. */
export function isMetadataAddress(host: string): boolean {
  return isIn(host, METADATA_NETWORKS);
}

/** Parses an IP address with or without brackets; returns `undefined` for other text. */
export function parseIp(text: string): IpAddress | undefined {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  if (/^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(bare)) {
    const bytes = bare.split(".").map(Number);
    const isValid = bytes.every((byte) => byte <= 255);
    return isValid ? ipv4(bytes) : undefined;
  }
  // `URL` normalizes all spellings of an address.
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

/** Parses `ADDRESS/BITS`; returns `undefined` for other text. */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [, host = "", length = ""] = /^([^/]+)\/([0-9]{1,3})$/.exec(text) ?? [];
  const address = parseIp(host);
  if (address === undefined) return undefined;
  const bits = Number(length) + (host.includes(":") ? 0 : IPV4_BITS);
  return bits <= 128 ? { address, bits } : undefined;
}

/** Returns whether an address belongs to a network. */
export function isInNetwork(ip: IpAddress, { address, bits }: IpNetwork): boolean {
  return ip.every((byte, i) => {
    const mask = 0xff00 >> Math.min(8, Math.max(0, bits - i * 8)) & 0xff;
    return (byte & mask) === ((address[i] ?? 0) & mask);
  });
}

function isIn(host: string, known: Networks): boolean {
  const ip = parseIp(host);
  if (ip === undefined) return false;
  const has = (address: IpAddress, all: Networks) => {
    return all().some((network) => isInNetwork(address, network));
  };
  return has(ip, known) || has(ip, EMBEDDING_NETWORKS) && has(ipv4(ip.subarray(12)), known);
}

/** Maps an IPv4 address to IPv6. */
function ipv4(bytes: ArrayLike<number>): IpAddress {
  const address = new Uint8Array(16);
  address.set([255, 255], 10);
  address.set(bytes, 12);
  return address;
}

/** Networks that are parsed on first use. */
type Networks = () => readonly IpNetwork[];

function networks(...texts: readonly string[]): Networks {
  let parsed: readonly IpNetwork[] | undefined;
  return () => parsed ??= texts.map(knownNetwork);
}

function knownNetwork(text: string): IpNetwork {
  const network = parseNetwork(text);
  if (network === undefined) throw new TypeError(`Cannot parse the network "${text}"`);
  return network;
}
