import type { ImageProgress } from "../../registry/image_client.ts";

/** Window of the transfer rate, in milliseconds. */
const WINDOW_MS = 5000;
/** Minimum interval between samples of the rate, in milliseconds. */
const SAMPLE_MS = 50;
/** Minimum time between the first and the last sample for an estimate, in milliseconds. */
const ESTIMATE_MS = 1000;

export interface Totals {
  /** Completed bytes. */
  readonly bytes: number;
  /** Total bytes, as far as known. */
  readonly total: number;
  /** Number of completed blobs. */
  readonly done: number;
  readonly complete: boolean;
  /** Bytes per second over the last few seconds; 0 while unknown. */
  readonly rate: number;
  /** Remaining milliseconds at that rate, once it has been measured for a second. */
  readonly leftMs: number | undefined;
  /** Whether all blobs are stored, and their images are still being extracted. */
  readonly extracting?: boolean | undefined;
  /** First reference whose blobs are not known yet. */
  readonly resolving?: string | undefined;
}

/** Sums up the progress events of one or more pulls. */
export class ProgressTally {
  /** Last event about each blob. */
  readonly #blobs = new Map<string, ImageProgress>();
  /** Last event about each whole image, by reference. */
  readonly #images = new Map<string, ImageProgress>();
  /** Samples of the bytes received over the network, oldest first. */
  #samples: { readonly t: number; readonly bytes: number }[] = [];
  /** Time of the last event before the first one about a blob. */
  #begun: number | undefined;

  /** Adds an event. Returns whether it completed a blob. */
  add(event: ImageProgress): boolean {
    if (event.kind === "total") {
      this.#images.set(event.reference, event);
      if (this.#blobs.size === 0) this.#begun = event.time;
      return false;
    }
    const key = `${event.reference} ${event.digest}`;
    const isDone = event.phase === "done";
    // A blob that was found at the target is active again if it has to be sent after all.
    if (isDone && this.#blobs.get(key)?.phase === "done") return false;
    this.#blobs.set(key, event);
    this.#sample(event.time, isDone);
    return isDone;
  }

  /** Returns the active blobs in the order of their start. */
  active(): readonly ImageProgress[] {
    return [...this.#blobs.values()].filter(({ phase }) => phase !== "done");
  }

  /** Returns the references for which no blob was transferred or looked up. */
  unchanged(): readonly string[] {
    const touched = new Set(this.#blobs.values().map(({ reference }) => reference));
    return [...this.#images.values()]
      .filter(({ phase, cached }) => phase === "done" && cached)
      .flatMap(({ reference }) => touched.has(reference) ? [] : [reference]);
  }

  /** Whether no blob needed a transfer. */
  isCached(): boolean {
    return this.#blobs.values().every(({ cached }) => cached);
  }

  /** Whether all images that are not done yet are in the store, and are being extracted. */
  isExtracting(): boolean {
    return this.#images.values().every(({ phase }) => phase === "done" || phase === "extract");
  }

  totals(): Totals {
    let [bytes, total] = [0, 0];
    for (const image of this.#images.values()) {
      bytes += image.bytes;
      total += image.total;
    }
    const done = this.#blobs.size - this.active().length;
    const complete = this.#images.values().every(({ phase }) => phase === "done");
    const { rate, elapsedMs } = this.#rate();
    const isEstimated = rate > 0 && total > bytes && elapsedMs >= ESTIMATE_MS;
    const leftMs = isEstimated ? (total - bytes) / rate * 1000 : undefined;
    const resolving = this.#images.values().find(({ phase, total }) => {
      return phase === "resolve" && total === 0;
    })?.reference;
    const extracting = !complete && done === this.#blobs.size && this.isExtracting();
    return { bytes, total, done, complete, rate, leftMs, extracting, resolving };
  }

  /** Takes a sample. Skips it if the last one is recent, unless a blob has just been completed. */
  #sample(t: number, isBlobDone: boolean): void {
    const before = this.#samples.at(-1);
    if (before !== undefined && Math.abs(t - before.t) < SAMPLE_MS && !isBlobDone) return;
    let bytes = 0;
    for (const blob of this.#blobs.values()) {
      if (!blob.cached) bytes += Math.max(0, blob.bytes - blob.resumed);
    }
    // The first event about a small blob may report all of its bytes, so the rate needs a start.
    if (before === undefined && this.#begun !== undefined) {
      this.#samples.push({ t: this.#begun, bytes: 0 });
    }
    // The clock may have been set back.
    this.#samples = this.#samples.filter((sample) => Math.abs(t - sample.t) <= WINDOW_MS);
    this.#samples.push({ t, bytes });
  }

  #rate(): { readonly rate: number; readonly elapsedMs: number } {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.t <= first.t) {
      return { rate: 0, elapsedMs: 0 };
    }
    const elapsedMs = last.t - first.t;
    return { rate: (last.bytes - first.bytes) / elapsedMs * 1000, elapsedMs };
  }
}
