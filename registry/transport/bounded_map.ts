/** Maximum number of hosts to remember: redirects may lead to ever new subdomains. */
export const MAX_HOSTS = 1024;

/** A map with a maximum size. Drops its oldest entry for a new one; setting a key makes it new. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  override set(key: K, value: V): this {
    this.delete(key);
    super.set(key, value);
    if (this.size > this.#max) this.delete(this.keys().next().value as K);
    return this;
  }

  override getOrInsertComputed(key: K, compute: (key: K) => V): V {
    const value = this.has(key) ? this.get(key) as V : compute(key);
    this.set(key, value);
    return value;
  }
}
