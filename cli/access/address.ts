import type { Upstream } from "./upstream.ts";

/** Where a server listens. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/**
 * Parses what `--listen` takes.
 *
 * @throws {SyntaxError} If it is no host and port.
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new SyntaxError("it must be HOST:PORT, such as 127.0.0.1:5000 or [::1]:5000");
  }
  return { hostname: match[1] ?? match[2] ?? "", port };
}

/** The address as `--listen` takes it. */
export function formatAddress({ hostname, port }: Address): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** The options of `serve` that decide who may write. */
export interface ServeAccess {
  readonly listen?: Address;
  readonly readOnly?: true;
  readonly proxy?: Upstream | undefined;
  readonly htpasswd?: string;
}

/**
 * Whether `serve` refuses pushes: if it is told to, if it only repeats what another registry has,
 * or if anybody could push from other machines.
 */
export function servesReadOnly(access: ServeAccess): boolean {
  return access.readOnly ?? (access.proxy !== undefined || servesStrangers(access));
}

/** Whether `serve` answers clients on other machines that it does not know. */
export function servesStrangers({ listen, htpasswd }: ServeAccess): boolean {
  return listen !== undefined && htpasswd === undefined && !isLoopback(listen);
}

/** Whether only programs on this machine reach the address. A name may stand for any address. */
function isLoopback({ hostname }: Address): boolean {
  return hostname === "localhost" || hostname === "::1" ||
    /^127(?:\.[0-9]{1,3}){3}$/.test(hostname);
}
