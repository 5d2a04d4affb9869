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
