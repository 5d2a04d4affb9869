import type { ImageProgress } from "../../registry/image_client.ts";

/** The rate is that of the last few seconds, in milliseconds. */
const WINDOW_MS = 5000;
/** However many events there are, this often is enough to know the rate. */
const SAMPLE_MS = 50;

/** How far one blob is. */
interface BlobTally {
  /** What the last event said. */
  readonly last: ImageProgress;
  /** Whether nothing more will happen to it. */
  readonly done: boolean;
}

/** How far everything is. */
export interface Totals {
  /** Bytes that are there. */
  readonly bytes: number;
  /** Bytes that there will be, as far as is known. */
  readonly total: number;
  /** Blobs that are complete. */
  readonly done: number;
  /** Whether there is nothing left to wait for. */
  readonly complete: boolean;
  /** Bytes a second over the last few seconds; 0 while nothing can be said. */
  readonly rate: number;
  /** Milliseconds that the rest will take at that rate, if anything can be said. */
  readonly leftMs: number | undefined;
}

/** Adds up the events of one or several pulls. */
export class ProgressTally {
  readonly #blobs = new Map<string, BlobTally>();
  /** The last event about each image as a whole, by reference. */
  readonly #images = new Map<string, ImageProgress>();
  /** Bytes that came over the network, at points in time, oldest first. */
  #samples: { readonly t: number; readonly bytes: number }[] = [];

  /** Takes the next event. Returns whether it completed a blob. */
  add(event: ImageProgress): boolean {
    if (event.kind === "total") {
      this.#images.set(event.reference, event);
      return false;
    }
    const key = `${event.reference} ${event.digest}`;
    if (this.#blobs.get(key)?.done) return false;
    const done = event.phase === "done";
    this.#blobs.set(key, { last: event, done });
    this.#sample(event.time);
    return done;
  }

  /** The blobs that are being worked on, in the order in which they began. */
  active(): readonly ImageProgress[] {
    const active: ImageProgress[] = [];
    for (const { last, done } of this.#blobs.values()) if (!done) active.push(last);
    return active;
  }

  /** How far everything is. */
  totals(): Totals {
    let [bytes, total, done] = [0, 0, 0];
    for (const image of this.#images.values()) {
      bytes += image.bytes;
      total += image.total;
    }
    for (const blob of this.#blobs.values()) if (blob.done) done++;
    const complete = this.#images.values().every(({ phase }) => phase === "done");
    const rate = this.#rate();
    const leftMs = rate > 0 && total > bytes ? (total - bytes) / rate * 1000 : undefined;
    return { bytes, total, done, complete, rate, leftMs };
  }

  #sample(t: number): void {
    const before = this.#samples.at(-1);
    if (before !== undefined && t - before.t < SAMPLE_MS) return;
    let bytes = 0;
    for (const { last } of this.#blobs.values()) {
      if (!last.cached) bytes += Math.max(0, last.bytes - last.resumed);
    }
    this.#samples = this.#samples.filter((sample) => t - sample.t <= WINDOW_MS);
    this.#samples.push({ t, bytes });
  }

  #rate(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.t <= first.t) return 0;
    return (last.bytes - first.bytes) / (last.t - first.t) * 1000;
  }
}
