/** Maximum number of hosts to remember: redirects may lead to ever new subdomains. */
export const MAX_HOSTS = 1024;

/** A map with a maximum size. Drops its oldest entry for a new one; setting a key makes it new. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number;
  readonly #onDrop: ((value: V) => void) | undefined;

  /** @param onDrop Called with each value that is dropped. */
  constructor(max: number, onDrop?: (value: V) => void) {
    super();
    this.#max = max;
    this.#onDrop = onDrop;
  }

  override set(key: K, value: V): this {
    this.delete(key);
    super.set(key, value);
    const [oldest] = this;
    if (this.size > this.#max && oldest !== undefined) {
      this.delete(oldest[0]);
      this.#onDrop?.(oldest[1]);
    }
    return this;
  }

  override getOrInsertComputed(key: K, compute: (key: K) => V): V {
    const value = this.has(key) ? this.get(key) as V : compute(key);
    this.set(key, value);
    return value;
  }
}
