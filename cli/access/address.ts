import { isLoopback } from "../../registry/transport/private_address.ts";
import type { Upstream } from "./upstream.ts";

export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/**
 * Parses the value of `--listen`.
 *
 * @throws {SyntaxError} If the text is not a host and port.
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new SyntaxError("it must be HOST:PORT, such as 127.0.0.1:5000 or [::1]:5000");
  }
  return { hostname: match[1] ?? match[2] ?? "", port };
}

/** Formats an address in the form of `--listen`. */
export function formatAddress({ hostname, port }: Address): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Options of `serve` that control write access. */
export interface ServeAccess {
  readonly listen?: Address;
  readonly readOnly?: true;
  readonly proxy?: Upstream | undefined;
  readonly htpasswd?: string;
}

/**
 * Returns whether `serve` rejects pushes: with `--read-only` or `--proxy`, or if unauthenticated
 * clients on other machines could push.
 */
export function servesReadOnly(access: ServeAccess): boolean {
  return access.readOnly ?? (access.proxy !== undefined || isOpenToNetwork(access));
}

/** Returns whether `serve` accepts unauthenticated clients on other machines. */
export function isOpenToNetwork({ listen, htpasswd }: ServeAccess): boolean {
  return listen !== undefined && htpasswd === undefined && !isLoopback(listen);
}
