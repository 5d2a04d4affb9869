import { explainedError } from "../error_facts.ts";
import type { Resources } from "../runtime/runtime_resources.ts";
import type { SpecOption } from "../runtime/spec_option.ts";
import { parseQuantity } from "./quantity.ts";

/** Period of CPU time in microseconds: the default of the kernel. */
const CPU_PERIOD = 100_000n;
/** Minimum quota: the kernel rejects less than a millisecond. */
const MIN_CPU_QUOTA = 1000n;
const MIN_CPU_SHARES = 2n;
const MAX_CPU_SHARES = 262_144n;
/** Weight of one CPU. */
const SHARES_PER_CPU = 1024n;

/**
 * Limits CPU time, and sets the weight of the container accordingly.
 *
 * Shares, quota and period are computed as in Kubernetes.
 *
 * @param limit Number of CPUs, as a Kubernetes quantity such as `500m` or `1.5`.
 * @returns The option.
 * @throws {SyntaxError} If `limit` is not a quantity.
 * @throws {RangeError} If it is not positive, or too large for the kernel.
 *
 * @example Limit a container to half a CPU
 * ```ts
 * import { newSpec, withCPULimit } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withCPULimit("500m")).linux.resources?.cpu, {
 *   shares: 512,
 *   quota: 50_000,
 *   period: 100_000,
 * });
 * ```
 */
export function withCPULimit(limit: string): SpecOption {
  const { milli } = parseQuantity(limit);
  const quota = milli * CPU_PERIOD / 1000n;
  checkLimit("CPUs", limit, milli, quota);
  const shares = clamp(milli * SHARES_PER_CPU / 1000n, MIN_CPU_SHARES, MAX_CPU_SHARES);
  return withResources((resources) => ({
    cpu: {
      ...resources.cpu,
      shares: Number(shares),
      quota: Number(quota < MIN_CPU_QUOTA ? MIN_CPU_QUOTA : quota),
      period: Number(CPU_PERIOD),
    },
  }));
}

/** Options for {@linkcode withMemoryLimit}. */
export interface MemoryLimitOptions {
  /** Amount of swap space, as a quantity; by default, the kernel decides. */
  readonly swap?: string;
}

/**
 * Limits memory.
 *
 * @param limit Number of bytes, as a Kubernetes quantity such as `512Mi`.
 * @param options The limit of swap space.
 * @returns The option.
 * @throws {SyntaxError} If `limit` or `swap` is not a quantity.
 * @throws {RangeError} If `limit` is not positive, `swap` is negative, or one is too large for the
 *   kernel.
 *
 * @example Limit the memory without swap space
 * ```ts
 * import { newSpec, withMemoryLimit } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = newSpec(withMemoryLimit("1Gi", { swap: "0" }));
 *
 * assertEquals(spec.linux.resources?.memory, { limit: 1073741824, swap: 1073741824 });
 * ```
 */
export function withMemoryLimit(limit: string, options: MemoryLimitOptions = {}): SpecOption {
  const { swap } = options;
  const { value } = parseQuantity(limit);
  checkLimit("bytes of memory", limit, value, value);
  // The runtime specification counts memory and swap space together.
  const total = swap === undefined ? undefined : value + parseQuantity(swap).value;
  if (total !== undefined) {
    checkLimit("bytes of swap space", `${swap}`, total - value + 1n, total, "it must be >= 0");
  }
  return withResources((resources) => {
    const memory = { ...resources.memory, limit: Number(value) };
    return { memory: total === undefined ? memory : { ...memory, swap: Number(total) } };
  });
}

/**
 * Limits the number of processes and threads.
 *
 * @param limit Maximum number; -1 means no limit.
 * @returns The option.
 * @throws {RangeError} If it is not a positive integer or -1.
 *
 * @example Limit the number of processes
 * ```ts
 * import { newSpec, withPidsLimit } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withPidsLimit(100)).linux.resources?.pids, { limit: 100 });
 * ```
 */
export function withPidsLimit(limit: number): SpecOption {
  if (!Number.isSafeInteger(limit) || (limit < 1 && limit !== -1)) {
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: "limit processes",
      problem: `"limit" must be an integer > 0 or -1, but it is ${limit}`,
      option: "limit",
    });
  }
  return withResources(() => ({ pids: { limit } }));
}

function withResources(change: (resources: Resources) => Partial<Resources>): SpecOption {
  return (spec) => {
    const { resources = {} } = spec.linux;
    return {
      ...spec,
      linux: { ...spec.linux, resources: { ...resources, ...change(resources) } },
    };
  };
}

function checkLimit(
  what: string,
  text: string,
  amount: bigint,
  result: bigint,
  minimum = "it must be above zero",
): void {
  if (amount > 0n && result <= BigInt(Number.MAX_SAFE_INTEGER)) return;
  const rule = amount > 0n ? "it is more than can be set" : minimum;
  throw explainedError(RangeError, {
    code: "invalid-argument",
    action: `limit the number of ${what} to ${JSON.stringify(text)}`,
    subject: text,
    problem: rule,
  });
}

function clamp(value: bigint, min: bigint, max: bigint): bigint {
  return value < min ? min : value > max ? max : value;
}
