/** Reports the progress of another process by the size of the part that it writes. */
export class PartWatch {
  readonly #part: string;
  readonly #onSize: (size: number) => void;
  #last = -1;

  constructor(part: string, onSize: (size: number) => void) {
    this.#part = part;
    this.#onSize = onSize;
  }

  /** Checks the part and reports progress if it has grown. */
  look(): void {
    // The part no longer exists if the other process has just committed it.
    Deno.stat(this.#part).then((info) => {
      // A part that is downloaded in ranges has holes.
      const size = info.blocks === null ? info.size : Math.min(info.size, info.blocks * 512);
      if (size <= this.#last) return;
      this.#last = size;
      this.#onSize(size);
    }).catch(() => {});
  }
}
