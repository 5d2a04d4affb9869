import { concat, toUint8Array } from "./bytes.ts";

/** A value in DER: its tag, its length and its parts. */
export function der(
  tag: number,
  ...parts: readonly (Uint8Array | readonly number[])[]
): Uint8Array<ArrayBuffer> {
  const content = concat(...parts.map((part) => Uint8Array.from(part)));
  const { length } = content;
  const size = length < 128
    ? [length]
    : length < 256
    ? [0x81, length]
    : [0x82, length >> 8, length & 255];
  return concat(Uint8Array.of(tag, ...size), content);
}

/** An object identifier, such as `2.5.29.17`. */
export function oid(text: string): Uint8Array<ArrayBuffer> {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = rest.flatMap((part) => {
    const groups = [part & 127];
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) {
      groups.unshift((left & 127) | 128);
    }
    return groups;
  });
  return der(0x06, [first * 40 + second, ...bytes]);
}

/** A bit string with a number of unused bits. */
export function bit(
  bytes: Uint8Array | readonly number[],
  unused = 0,
): Uint8Array<ArrayBuffer> {
  return der(0x03, [unused], bytes);
}

/** An octet string. */
export function octets(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return der(0x04, bytes);
}

/** A value with an explicit tag. */
export function explicit(number: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  return der(0xa0 + number, value);
}

/** A distinguished name that consists of a common name. */
export function distinguishedName(commonName: string): Uint8Array<ArrayBuffer> {
  const value = der(0x0c, toUint8Array(commonName));
  return der(0x30, der(0x31, der(0x30, oid("2.5.4.3"), value)));
}

/** A UTC time in whole seconds. */
export function time(ms: number): Uint8Array<ArrayBuffer> {
  // RFC 5280 asks for two digits of the year before 2050.
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "").slice(2);
  return der(0x17, toUint8Array(digits));
}

/** A certificate in PEM. */
export function toPem(certificate: Uint8Array): string {
  const lines = certificate.toBase64().match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
