import {
  badGateway,
  busy,
  cut,
  digestHeader,
  drop,
  endless,
  extraBytes,
  type FaultMatch,
  type FaultRule,
  gzipEncoded,
  ignoreRange,
  missingBytes,
  on,
  oversized,
  redirectLoop,
  refuseRange,
  registryError,
  type RequestKind,
  stall,
  tokenAuth,
  trickle,
  truncated,
  withHeaders,
  withStatus,
  wrongByte,
  wrongContentRange,
  wrongLength,
  wrongRange,
} from "../../tests/_support/faulty_registry.ts";
import type { Fault } from "../../tests/_support/faulty_registry.ts";
import type { Random } from "../random.ts";

/** A fault that a registry can have. */
export interface FaultOffer {
  readonly name: string;
  /** Whether the client notices only by waiting. */
  readonly isSlow?: boolean;
  readonly make: (random: Random) => Fault;
}

/** All faults, with random sizes. */
export const FAULTS: readonly FaultOffer[] = [
  { name: "error", make: (random) => registryError(random.pick([400, 403, 404, 500]), "DENIED") },
  { name: "busy", make: (random) => busy(random.pick([429, 503]), random.pick([undefined, 0])) },
  { name: "bad gateway", make: () => badGateway() },
  { name: "cut", make: (random) => cut(random.below(300_000)) },
  { name: "stall", isSlow: true, make: (random) => stall(random.between(-1, 100_000)) },
  { name: "trickle", make: (random) => trickle(random.between(20_000, 200_000), 1) },
  { name: "drop", make: () => drop() },
  {
    name: "status",
    make: (random) => withStatus(random.pick([201, 204, 206, 299, 304, 416, 418])),
  },
  { name: "no digest header", make: () => digestHeader(undefined) },
  { name: "false digest header", make: () => digestHeader(`sha256:${"0".repeat(64)}`) },
  { name: "nonsense header", make: () => withHeaders({ "content-type": "text/html", etag: "x" }) },
  { name: "no length", make: () => withHeaders({ "content-length": undefined }) },
  { name: "wrong length", make: (random) => wrongLength(random.between(-500, 500)) },
  { name: "extra bytes", make: (random) => extraBytes(random.between(1, 100_000)) },
  { name: "missing bytes", make: (random) => missingBytes(random.between(1, 100_000)) },
  { name: "wrong byte", make: (random) => wrongByte(random.below(10_000)) },
  { name: "truncated", make: (random) => truncated(random.below(5_000)) },
  { name: "gzip coding", make: () => gzipEncoded() },
  { name: "oversized", make: () => oversized(6 * 1024 * 1024) },
  { name: "endless", make: () => endless() },
  { name: "range ignored", make: () => ignoreRange() },
  { name: "wrong range", make: (random) => wrongRange(random.between(-1000, 1000)) },
  { name: "wrong content-range", make: (random) => wrongContentRange(random.between(-9, 9)) },
  { name: "range refused", make: () => refuseRange() },
  { name: "redirect loop", make: () => redirectLoop() },
  { name: "token", make: (random) => tokenAuth({ uses: random.between(1, 20) }).fault },
  { name: "far", make: (random) => far(random.between(30, 60)) },
];

const KINDS: readonly RequestKind[] = ["blob", "blob", "manifest", "root", "token"];

/** Chooses when a fault occurs. */
function chooseMatch(random: Random): FaultMatch {
  const kind = random.pick(KINDS);
  return random.pick<FaultMatch>([
    { kind },
    { kind, times: random.between(1, 4) },
    { kind, nth: random.between(1, 3) },
    { kind, method: random.pick(["GET", "HEAD"]) },
    { times: random.between(1, 6) },
  ]);
}

/** Chooses two faults. */
export function choosePair(
  random: Random,
  offers: readonly FaultOffer[] = FAULTS,
): readonly { readonly name: string; readonly rule: FaultRule }[] {
  return random.sample(offers, 2).map(({ name, make }) => {
    // Tokens and distance only make sense for all requests.
    const match = name === "token" || name === "far" ? {} : chooseMatch(random);
    return { name, rule: on(match, make(random)) };
  });
}

/** Delays each response, like a registry on another continent. */
function far(latencyMs: number): Fault {
  return async (_, next) => {
    await new Promise((resolve) => setTimeout(resolve, latencyMs));
    return await next();
  };
}
