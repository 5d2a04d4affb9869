import {
  type IpAddress,
  type IpNetwork,
  ipv4,
  isInNetwork,
  parseIp,
  parseNetwork,
} from "./ip_network.ts";

/** Loopback, link-local, RFC 1918, RFC 6598, RFC 6890 and unique local addresses. */
const PRIVATE_NETWORKS = networks(
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"],
  ...["172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10"],
);
const LOOPBACK_NETWORKS = networks("127.0.0.0/8", "::1/128");
/**
 * Metadata addresses, at which clouds serve the credentials of their machines: link-local ones, and
 * those of Alibaba Cloud, Oracle Cloud, Azure, Amazon EC2 and EKS, Google Cloud and Scaleway.
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

/**
 * Returns whether a host is this machine, where plain HTTP is safe. A name other than `localhost`
 * may resolve to any address.
 */
export function isLoopback({ hostname }: Pick<URL, "hostname">): boolean {
  return hostname === "localhost" || isIn(hostname, LOOPBACK_NETWORKS);
}

/** Returns whether a host is an address at which clouds serve the credentials of their machines. */
export function isMetadataAddress(host: string): boolean {
  return isIn(host, METADATA_NETWORKS);
}

/**
 * Returns the option of a client that allows a registry to refer to a private address; `undefined`
 * if none does.
 */
export function privateAddressOption(
  { hostname }: Pick<URL, "hostname">,
): "allowPrivateAddresses" | undefined {
  return isMetadataAddress(hostname) ? undefined : "allowPrivateAddresses";
}

function isIn(host: string, known: Networks): boolean {
  const ip = parseIp(host);
  if (ip === undefined) return false;
  const has = (address: IpAddress, all: Networks) => {
    return all().some((network) => isInNetwork(address, network));
  };
  return has(ip, known) || has(ip, EMBEDDING_NETWORKS) && has(ipv4(ip.subarray(12)), known);
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
