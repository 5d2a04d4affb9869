import { concat } from "../../tests/_support/bytes.ts";
import type { Random } from "../random.ts";

/** Values that parsers do not expect. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  2 ** 53,
  0.5,
  "",
  "\u0000",
  "\ud800",
  "../../etc/passwd",
  "a".repeat(5000),
  [],
  [null],
  [[]],
  {},
  { digest: null },
  { digest: "sha256:00", size: -1, mediaType: 5 },
  "__proto__",
];

/** Changes some bytes: flips, cuts, repeats, moves, overwrites. */
export function mutateBytes(
  bytes: Uint8Array<ArrayBuffer>,
  random: Random,
): Uint8Array<ArrayBuffer> {
  let mutated = bytes.slice();
  for (let times = random.between(1, 4); times > 0; times--) mutated = mutateOnce(mutated, random);
  return mutated;
}

function mutateOnce(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const length = random.pick([1, 2, 8, 512, 1024, random.below(bytes.length + 1)]);
  const part = bytes.slice(at, at + length);
  switch (random.below(6)) {
    case 0:
      return bytes.map((byte, i) => i === at ? random.below(256) : byte);
    case 1:
      return bytes.slice(0, at);
    case 2:
      return concat(bytes.slice(0, at), part, bytes.slice(at));
    case 3:
      return concat(bytes.slice(0, at), bytes.slice(at + length));
    case 4:
      return concat(
        bytes.slice(0, at),
        new Uint8Array(Math.min(length, 4096)).fill(random.below(256)),
        bytes.slice(at + length),
      );
    default: {
      const digits = new TextEncoder().encode(String(random.below(8 ** 11)).padStart(12, "7"));
      return concat(bytes.slice(0, at), digits, bytes.slice(at + digits.length));
    }
  }
}

/** Changes one member somewhere in a JSON value: its value or its name, or removes it. */
export function mutateJson(value: unknown, random: Random): unknown {
  if (typeof value !== "object" || value === null || random.chance(0.15)) {
    return random.pick(ODD_VALUES);
  }
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value)
    ? [...value]
    : { ...value as Record<string, unknown> };
  const keys = Object.keys(copy);
  if (keys.length === 0) return random.pick(ODD_VALUES);
  const key = random.pick(keys);
  const members = copy as Record<string, unknown>;
  const member = members[key];
  switch (random.below(8)) {
    case 0:
      delete members[key];
      break;
    case 1:
      members[key.toUpperCase()] = member;
      break;
    case 2:
      members[key] = Array.from({ length: random.between(2, 3000) }, () => member);
      break;
    case 3:
      members[key] = nested(member, random.between(2, 2000));
      break;
    default:
      members[key] = mutateJson(member, random);
  }
  return copy;
}

function nested(value: unknown, depth: number): unknown {
  let outer = value;
  for (let i = 0; i < depth; i++) outer = i % 2 === 0 ? [outer] : { manifests: outer };
  return outer;
}

/** Splits bytes into a stream of chunks of random sizes. */
export function randomChunks(
  bytes: Uint8Array<ArrayBuffer>,
  random: Random,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const size = random.pick([1, 7, 512, 4096, 100_000]);
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}
