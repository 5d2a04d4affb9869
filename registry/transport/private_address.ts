/**
 * Whether a URL names this machine or a private network by itself: loopback, link-local
 * (where clouds keep their metadata), RFC 1918, RFC 6598 or unique local. A public registry has no
 * business to send a client there. Names are not looked up.
 */
export function isPrivateAddress(url: URL): boolean {
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  if (host.startsWith("[")) return isPrivateIpv6(host.slice(1, -1));
  return isPrivateIpv4(host);
}

/** Whether a URL names this machine: plain HTTP is harmless there. */
export function isLoopback(url: URL): boolean {
  return url.hostname === "localhost" || url.hostname === "[::1]" ||
    /^127\.[0-9]+\.[0-9]+\.[0-9]+$/.test(url.hostname);
}

// `URL` has already made decimal quads of every other way to write an IPv4 address.
function isPrivateIpv4(host: string): boolean {
  const match = /^([0-9]+)\.([0-9]+)\.[0-9]+\.[0-9]+$/.exec(host);
  if (match === null) return false;
  const [a, b] = [Number(match[1]), Number(match[2])];
  return a === 0 || a === 10 || a === 127 || (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ||
    (a === 100 && b >= 64 && b < 128);
}

function isPrivateIpv6(host: string): boolean {
  if (host === "::" || host === "::1") return true;
  // IPv4 in IPv6, which `URL` writes as two groups of hexadecimal digits: mapped and NAT64.
  const mapped = /^(?:::ffff:|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host);
  if (mapped !== null) {
    const [high, low] = [parseInt(mapped[1] ?? "", 16), parseInt(mapped[2] ?? "", 16)];
    return isPrivateIpv4(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`);
  }
  return /^f[cd][0-9a-f]{2}:/.test(host) || /^fe[89ab][0-9a-f]:/.test(host);
}
