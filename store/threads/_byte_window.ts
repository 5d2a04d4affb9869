/**
 * Limits the memory of the chunks that a writer has passed on and the reader has not used yet. A
 * chunk counts with its whole buffer, which may be larger.
 */
export class ByteWindow {
  readonly #max: number;
  #bytes = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** Adds bytes. The writer must await the result, if any, before it adds more. */
  add(bytes: number): void | Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes <= this.#max) return;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Removes bytes. The writer continues once the window is half empty. */
  remove(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes <= this.#max / 2) this.clear();
  }

  /** Lets a waiting writer continue. */
  clear(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}
