import type { Digest } from "../../spec/digest.ts";
import { problemOf } from "../../spec/error_facts.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { NetworkError, NotFoundError } from "../errors.ts";
import type { Clock, RemoteOptions } from "../remote_client_options.ts";
import type { Registry } from "./registry.ts";

/** Time for which a faulty mirror is skipped, in milliseconds. */
const DOWN_MS = 60_000;

/**
 * The sources of a registry's content: its mirrors in order, then the registry itself. After a
 * failure, the next source is tried; a faulty mirror is skipped for a minute.
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
    if (last === undefined) throw new RangeError("Cannot read from a registry: there is no source");
    return last;
  }

  /** All sources in order. */
  get all(): readonly Registry[] {
    return this.#registries;
  }

  /** Returns the sources to try now, in order. */
  get usable(): readonly Registry[] {
    const now = this.#clock.now();
    return this.#registries.filter((registry) => (this.#downUntil.get(registry) ?? 0) <= now);
  }

  /** Records the failure of a source, and warns unless it is the last one. */
  failed(
    registry: Registry,
    error: unknown,
    onWarning: ((message: string) => void) | undefined,
  ): void {
    // Missing content does not make a mirror faulty.
    if (registry === this.upstream || error instanceof NotFoundError) return;
    this.#downUntil.set(registry, this.#clock.now() + DOWN_MS);
    onWarning?.(`Skipping the mirror ${registry.endpoint.registry}: ${problemOf(error)}`);
  }

  /**
   * Runs an operation with the first source that succeeds. If the user specified a digest, other
   * bytes are an attack rather than a failure, and end the search.
   */
  async first<T>(
    work: (registry: Registry) => Promise<T>,
    options: Pick<RemoteOptions, "signal" | "onWarning"> & {
      /** Digest in the user's reference, if it has one. */
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

  /**
   * Reads a list from the registry itself, because a mirror may have only part of it. Reads it from
   * a mirror, with a warning, only if the registry cannot be reached.
   */
  async list<T>(
    work: (registry: Registry) => Promise<readonly T[]>,
    { signal, onWarning }: Pick<RemoteOptions, "signal" | "onWarning">,
  ): Promise<readonly T[]> {
    try {
      return await work(this.upstream);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof NetworkError)) throw error;
      for (const mirror of this.usable.slice(0, -1)) {
        try {
          const found = await work(mirror);
          // A mirror without the list returns an empty one.
          if (found.length === 0) continue;
          const { registry } = mirror.endpoint;
          onWarning?.(`Using the list of the mirror ${registry}: ${problemOf(error)}`);
          return found;
        } catch (fault) {
          signal?.throwIfAborted();
          this.failed(mirror, fault, onWarning);
        }
      }
      throw error;
    }
  }
}
