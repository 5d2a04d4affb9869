import type { Digest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { Registry } from "./_registry.ts";
import { NotFoundError } from "../errors.ts";
import type { Clock } from "../remote_client_options.ts";

const DOWN_MS = 60_000;

/**
 * Where the content of one registry can be had: its mirrors in order, itself last. What fails at
 * a mirror is tried at the next one; one that answers otherwise than it should is left alone for a
 * minute.
 */
export class Sources {
  readonly #registries: readonly Registry[];
  readonly #clock: Clock;
  readonly #downUntil = new Map<Registry, number>();

  constructor(registries: readonly Registry[], clock: Clock) {
    this.#registries = registries;
    this.#clock = clock;
  }

  /** The registry itself. */
  get upstream(): Registry {
    const last = this.#registries.at(-1);
    if (last === undefined) throw new RangeError("Cannot read from a registry as there is none");
    return last;
  }

  /** Those to try now, in order. */
  get usable(): readonly Registry[] {
    const now = this.#clock.now();
    return this.#registries.filter((registry) => (this.#downUntil.get(registry) ?? 0) <= now);
  }

  /** Notes that one did not work, and says so, unless there is none after it. */
  failed(
    registry: Registry,
    error: unknown,
    onWarning: ((message: string) => void) | undefined,
  ): void {
    // That a mirror does not have something says nothing of the next thing.
    if (registry === this.upstream || error instanceof NotFoundError) return;
    this.#downUntil.set(registry, this.#clock.now() + DOWN_MS);
    const why = error instanceof Error ? error.message : String(error);
    onWarning?.(`The mirror ${registry.endpoint.registry} is passed over: ${why}`);
  }

  /**
   * Does something with the first one with which it succeeds. Where the user has named a digest,
   * bytes of another are an attack rather than a failure, and end the search.
   */
  async first<T>(
    work: (registry: Registry) => Promise<T>,
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly onWarning?: ((message: string) => void) | undefined;
      /** What the user has named. */
      readonly digest?: Digest | undefined;
    },
  ): Promise<T> {
    const registries = this.usable;
    for (const [i, registry] of registries.entries()) {
      try {
        return await work(registry);
      } catch (error) {
        options.signal?.throwIfAborted();
        const isAttack = error instanceof DigestMismatchError && error.expected === options.digest;
        if (isAttack || i === registries.length - 1) throw error;
        this.failed(registry, error, options.onWarning);
      }
    }
    return await work(this.upstream);
  }
}
