/** Remembers values up to a total size. Drops those first that were not used for the longest time. */
export class SizedCache<K, V> {
  readonly #max: number;
  readonly #entries = new Map<K, { readonly value: V; readonly size: number }>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Returns the value of a key; `undefined` if it is unknown. */
  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Remembers the value of a key that has none yet. */
  add(key: K, value: V, size: number): void {
    if (this.#entries.has(key)) return;
    this.#entries.set(key, { value, size });
    this.#size += size;
    for (const [oldest, entry] of this.#entries) {
      if (this.#size <= this.#max) return;
      this.#entries.delete(oldest);
      this.#size -= entry.size;
    }
  }
}
