import type { ImageProgress } from "../registry/image_client.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/image/descriptor.ts";
import type { Ingestion } from "../store/content/ingest.ts";

/** Minimum interval between two reports of the same layer. */
const REPORT_EVERY_MS = 100;

/** Progress of one blob. */
export interface BlobProgress extends Pick<ImageProgress, "bytes" | "resumed" | "retries"> {
  readonly cached?: boolean | undefined;
}

interface Blob {
  readonly total: number;
  readonly isLayer: boolean;
  progress: BlobProgress;
  reportedAt: number;
  isFinished: boolean;
}

/** Content of an image that is being fetched. */
export interface MeteredContent {
  readonly layers: readonly { readonly descriptor: Descriptor }[];
  readonly documents: readonly { readonly descriptor: Descriptor }[];
}

/** Adds up the progress of an image's blobs. Reports the progress of each layer and the total. */
export class ProgressMeter {
  readonly #name: string;
  readonly #report: ((progress: ImageProgress) => void) | undefined;
  readonly #blobs = new Map<Digest, Blob>();

  constructor(
    name: string,
    content: MeteredContent,
    report: ((progress: ImageProgress) => void) | undefined,
  ) {
    this.#name = name;
    this.#report = report;
    for (const { descriptor } of content.layers) this.expect(descriptor, true);
    for (const { descriptor } of content.documents) this.expect(descriptor, false);
    this.#reportSum("fetch");
  }

  /** Adds a blob that is going to be fetched. */
  expect({ digest, size: total }: Descriptor, isLayer: boolean): void {
    if (this.#blobs.has(digest)) return;
    const progress = { bytes: 0, resumed: 0, retries: 0 };
    this.#blobs.set(digest, { total, isLayer, progress, reportedAt: -Infinity, isFinished: false });
  }

  /** Removes a layer that is not fetched as a whole. */
  leaveOut({ digest }: Pick<Descriptor, "digest">): void {
    this.#blobs.delete(digest);
  }

  /** Records received bytes and reports them at intervals. */
  update({ digest }: Pick<Descriptor, "digest">, progress: BlobProgress): void {
    const blob = this.#blobs.get(digest);
    if (blob === undefined || blob.isFinished || this.#report === undefined) return;
    const retried = progress.retries !== blob.progress.retries;
    blob.progress = progress;
    const now = performance.now();
    if (now - blob.reportedAt < REPORT_EVERY_MS && !retried) return;
    blob.reportedAt = now;
    this.#reportLayer(digest, blob, "fetch");
    this.#reportSum("fetch");
  }

  /** Records that a blob is complete. Later calls for the same blob do nothing. */
  finish({ digest }: Pick<Descriptor, "digest">, progress: BlobProgress): void {
    const blob = this.#blobs.get(digest);
    if (blob === undefined || blob.isFinished) return;
    blob.progress = progress;
    blob.isFinished = true;
    this.#reportLayer(digest, blob, "done");
    this.#reportSum("fetch");
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

  /** Reports that the image is in the store. */
  end(): void {
    for (const blob of this.#blobs.values()) {
      if (blob.isFinished || blob.isLayer) continue;
      blob.progress = { bytes: blob.total, resumed: 0, retries: 0 };
      blob.isFinished = true;
    }
    this.#reportSum("done");
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
      cached: blobs.every(({ progress }) => progress.cached === true),
    });
  }

  #send({ kind, ...event }: Omit<ImageProgress, "time" | "reference">): void {
    this.#report?.({ kind, time: Date.now(), reference: this.#name, ...event });
  }
}
