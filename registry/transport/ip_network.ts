/** An IP address as 16 bytes; IPv4 addresses are mapped to IPv6 (`::ffff:0:0/96`). */
export type IpAddress = Uint8Array;

/** A network in CIDR notation. */
export interface IpNetwork {
  readonly address: IpAddress;
  /** Length of the network prefix, of 128 bits. */
  readonly bits: number;
}

const IPV4_BITS = 96;

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

/** Maps the bytes of an IPv4 address to IPv6. */
export function ipv4(bytes: ArrayLike<number>): IpAddress {
  const address = new Uint8Array(16);
  address.set([255, 255], 10);
  address.set(bytes, 12);
  return address;
}
