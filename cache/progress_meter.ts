import type { ImageProgress } from "../registry/image_client.ts";
import { startTimer } from "../registry/tasks/timer.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/image/descriptor.ts";
import type { Ingestion } from "../store/downloads/ingest_options.ts";

/** Minimum interval between two reports of the same layer. */
const REPORT_EVERY_MS = 100;

export interface BlobProgress extends Pick<ImageProgress, "bytes" | "resumed" | "retries"> {
  readonly cached?: boolean | undefined;
}

interface Blob {
  readonly total: number;
  readonly isLayer: boolean;
  progress: BlobProgress;
  reportedAt: number;
  /** Reports bytes that were received soon after the last report: no others may follow. */
  timer?: Disposable | undefined;
  isFinished: boolean;
}

/** Content of an image that is being fetched. */
export interface MeteredContent {
  readonly layers: readonly { readonly descriptor: Descriptor }[];
  readonly documents: readonly { readonly descriptor: Descriptor }[];
}

/**
 * Adds up the progress of an image's blobs. Reports the progress of each layer and the total.
 * Disposing of it ends the reports, as after a failure.
 */
export class ProgressMeter implements Disposable {
  readonly #name: string;
  readonly #report: ((progress: ImageProgress) => void) | undefined;
  readonly #phase: "fetch" | "extract";
  readonly #blobs = new Map<Digest, Blob>();
  /** What the callback threw when a timer called it; the next report throws it to the transfer. */
  #thrown: { readonly error: unknown } | undefined;

  /**
   * Creates a meter and reports its start.
   *
   * @param phase What is done with the blobs.
   */
  constructor(
    name: string,
    content: MeteredContent,
    report: ((progress: ImageProgress) => void) | undefined,
    phase: "fetch" | "extract" = "fetch",
  ) {
    this.#name = name;
    this.#report = report;
    this.#phase = phase;
    for (const { descriptor } of content.layers) this.expect(descriptor, true);
    for (const { descriptor } of content.documents) this.expect(descriptor, false);
    this.#reportSum(phase);
  }

  /** Adds a blob that is going to be fetched. */
  expect({ digest, size: total }: Descriptor, isLayer: boolean): void {
    if (this.#blobs.has(digest)) return;
    const progress = this.#progress(0);
    this.#blobs.set(digest, { total, isLayer, progress, reportedAt: -Infinity, isFinished: false });
  }

  /** Removes a layer that is not fetched as a whole. */
  leaveOut({ digest }: Pick<Descriptor, "digest">): void {
    stopTimer(this.#blobs.get(digest));
    this.#blobs.delete(digest);
  }

  /** Records received bytes and reports them at intervals. */
  update({ digest }: Pick<Descriptor, "digest">, progress: BlobProgress): void {
    const blob = this.#blobs.get(digest);
    if (blob === undefined || blob.isFinished || this.#report === undefined) return;
    const retried = progress.retries !== blob.progress.retries;
    blob.progress = progress;
    const report = () => {
      stopTimer(blob);
      blob.reportedAt = performance.now();
      this.#reportLayer(digest, blob, this.#phase);
      this.#reportSum(this.#phase);
    };
    const leftMs = blob.reportedAt + REPORT_EVERY_MS - performance.now();
    if (leftMs <= 0 || retried) report();
    else {
      blob.timer ??= startTimer(Math.ceil(leftMs), () => {
        try {
          report();
        } catch (error) {
          this.#thrown = { error };
        }
      });
    }
  }

  /** Records that a blob is complete. Later calls for the same blob do nothing. */
  finish({ digest }: Pick<Descriptor, "digest">, progress: BlobProgress): void {
    const blob = this.#blobs.get(digest);
    if (blob === undefined || blob.isFinished) return;
    stopTimer(blob);
    blob.progress = progress;
    blob.isFinished = true;
    this.#reportLayer(digest, blob, "done");
    this.#reportSum(this.#phase);
  }

  /** Records that a blob is in the store, and how it got there. */
  stored(blob: Pick<Descriptor, "digest">, { status, ...progress }: Ingestion): void {
    this.finish(blob, { ...progress, cached: status === "cached" });
  }

  /** Records an event about a layer that another meter has reported. */
  relay({ kind, digest, phase, ...progress }: ImageProgress): void {
    if (kind !== "layer" || digest === undefined) return;
    if (phase === "done") this.finish({ digest }, progress);
    else this.update({ digest }, progress);
  }

  /** Records how much of a stored layer has been read to extract it. */
  read(layer: Pick<Descriptor, "digest" | "size">, bytes: number): void {
    // A layer is read again if it occurs twice, or depends on the layers below it.
    const known = this.#blobs.get(layer.digest)?.progress.bytes ?? 0;
    if (bytes <= known) return;
    const progress = this.#progress(bytes);
    if (bytes < layer.size) this.update(layer, progress);
    else this.finish(layer, progress);
  }

  /** Reports that the image is still being extracted, once all of its layers are in the store. */
  extracting(): void {
    const isStored = this.#blobs.values().every(({ isLayer, isFinished }) =>
      !isLayer || isFinished
    );
    if (isStored) this.#reportSum("extract");
  }

  /** Reports that the image is in the store, or extracted. */
  end(): void {
    for (const [digest, blob] of this.#blobs) {
      if (blob.isLayer) {
        // A layer that had been extracted before was not read.
        if (this.#phase === "extract") this.finish({ digest }, this.#progress(blob.total));
      } else if (!blob.isFinished) {
        stopTimer(blob);
        blob.progress = this.#progress(blob.total);
        blob.isFinished = true;
      }
    }
    this.#reportSum("done");
  }

  [Symbol.dispose](): void {
    for (const blob of this.#blobs.values()) stopTimer(blob);
    this.#blobs.clear();
  }

  #progress(bytes: number): BlobProgress {
    return { bytes, resumed: 0, retries: 0, cached: this.#phase === "extract" };
  }

  #reportLayer(digest: Digest, blob: Blob, phase: ImageProgress["phase"]): void {
    const { total, isLayer, progress: { bytes, resumed, retries, cached = false } } = blob;
    if (!isLayer) return;
    this.#send({ kind: "layer", digest, phase, bytes, total, resumed, retries, cached });
  }

  #reportSum(phase: ImageProgress["phase"]): void {
    if (this.#report === undefined) return;
    const blobs = [...this.#blobs.values()];
    const sum = (of: (blob: Blob) => number) => blobs.reduce((total, blob) => total + of(blob), 0);
    this.#send({
      kind: "total",
      phase,
      bytes: sum(({ progress }) => progress.bytes),
      total: sum(({ total }) => total),
      resumed: sum(({ progress }) => progress.resumed),
      retries: sum(({ progress }) => progress.retries),
      cached: blobs.length > 0 && blobs.every(({ progress }) => progress.cached === true),
    });
  }

  #send({ kind, ...event }: Omit<ImageProgress, "time" | "reference">): void {
    if (this.#thrown !== undefined) throw this.#thrown.error;
    this.#report?.({ kind, time: Date.now(), reference: this.#name, ...event });
  }
}

function stopTimer(blob: Blob | undefined): void {
  blob?.timer?.[Symbol.dispose]();
  if (blob !== undefined) blob.timer = undefined;
}
