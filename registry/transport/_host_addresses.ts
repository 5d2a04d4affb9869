import { isGranted } from "../../spec/granted.ts";
import { BoundedMap, MAX_HOSTS } from "./bounded_map.ts";
import { isMetadataAddress } from "./private_address.ts";

/** How long resolved addresses are cached, in milliseconds. */
const LIFETIME_MS = 30_000;

/** Which of the addresses of a name are safe to connect to. */
export interface HostAddress {
  /** Whether none is safe, because clouds serve credentials at all of them. */
  readonly isRefused: boolean;
  /** A safe address, if some of the others are not. */
  readonly only: string | undefined;
}

const UNKNOWN: HostAddress = { isRefused: false, only: undefined };

/** Finds names that resolve to addresses at which clouds serve their credentials. */
export class HostAddresses {
  readonly #lookups = new BoundedMap<string, { until: number; found: Promise<HostAddress> }>(
    MAX_HOSTS,
  );

  /** Resolves a name as the system does. */
  async find(name: string): Promise<HostAddress> {
    if (!isGranted({ name: "net", host: name })) return UNKNOWN;
    const now = performance.now();
    let lookup = this.#lookups.get(name);
    if (lookup === undefined || lookup.until < now) {
      lookup = { until: now + LIFETIME_MS, found: resolveName(name) };
      this.#lookups.set(name, lookup);
    }
    return await lookup.found;
  }
}

async function resolveName(name: string): Promise<HostAddress> {
  const { lookup } = globalThis.process.getBuiltinModule("node:dns").promises;
  let addresses: readonly { readonly address: string }[];
  try {
    addresses = await lookup(name, { all: true });
  } catch {
    // Connecting will also fail, and report the reason.
    addresses = [];
  }
  const allowed = addresses.filter(({ address }) => !isMetadataAddress(address));
  return {
    isRefused: addresses.length > 0 && allowed.length === 0,
    only: allowed.length < addresses.length ? allowed[0]?.address : undefined,
  };
}
