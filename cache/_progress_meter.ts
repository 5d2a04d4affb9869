import type { ImageProgress } from "../registry/image_client.ts";
import type { Descriptor } from "../spec/descriptor.ts";
import type { Digest } from "../spec/digest.ts";

/** Between two reports of the same blob: often enough for an eye. */
const REPORT_EVERY_MS = 100;

/** How far one blob is. */
export interface BlobProgress {
  readonly bytes: number;
  readonly resumed: number;
  readonly retries: number;
  readonly cached?: boolean;
}

interface Blob {
  readonly total: number;
  progress: BlobProgress;
  reportedAt: number;
  isFinished: boolean;
}

/** Adds up how far the blobs of an image are, and reports each of them and the sum. */
export class ProgressMeter {
  readonly #name: string;
  readonly #report: ((progress: ImageProgress) => void) | undefined;
  readonly #blobs: ReadonlyMap<Digest, Blob>;

  constructor(
    name: string,
    blobs: readonly { readonly descriptor: Descriptor }[],
    report: ((progress: ImageProgress) => void) | undefined,
  ) {
    this.#name = name;
    this.#report = report;
    this.#blobs = new Map(blobs.map(({ descriptor: { digest, size } }) => [digest, {
      total: size,
      progress: { bytes: 0, resumed: 0, retries: 0 },
      reportedAt: 0,
      isFinished: false,
    }]));
    this.#reportSum("fetch");
  }

  /** Bytes have come; now and then it is reported. */
  update({ digest }: Pick<Descriptor, "digest">, progress: BlobProgress): void {
    const blob = this.#blobs.get(digest);
    if (blob === undefined || blob.isFinished || this.#report === undefined) return;
    const retried = progress.retries !== blob.progress.retries;
    blob.progress = progress;
    const now = Date.now();
    if (now - blob.reportedAt < REPORT_EVERY_MS && !retried) return;
    blob.reportedAt = now;
    this.#reportBlob(digest, blob, "fetch");
    this.#reportSum("fetch");
  }

  /** A blob is in the store. That it is there once more says nothing. */
  finish({ digest }: Pick<Descriptor, "digest">, progress: BlobProgress): void {
    const blob = this.#blobs.get(digest);
    if (blob === undefined || blob.isFinished) return;
    blob.progress = progress;
    blob.isFinished = true;
    this.#reportBlob(digest, blob, "done");
    this.#reportSum("fetch");
  }

  /** Takes what another meter reports of the same blobs. */
  relay({ digest, phase, ...progress }: ImageProgress): void {
    if (digest === undefined) return;
    if (phase === "done") this.finish({ digest }, progress);
    else this.update({ digest }, progress);
  }

  /** The image is in the store. */
  end(): void {
    this.#reportSum("done");
  }

  #reportBlob(digest: Digest, blob: Blob, phase: ImageProgress["phase"]): void {
    const { total, progress: { bytes, resumed, retries, cached = false } } = blob;
    const numbers = { bytes, total, resumed, retries };
    this.#report?.({ t: Date.now(), ref: this.#name, digest, phase, ...numbers, cached });
  }

  #reportSum(phase: ImageProgress["phase"]): void {
    if (this.#report === undefined) return;
    const blobs = [...this.#blobs.values()];
    const sum = (of: (blob: Blob) => number) => blobs.reduce((total, blob) => total + of(blob), 0);
    this.#report({
      t: Date.now(),
      ref: this.#name,
      phase,
      bytes: sum(({ progress }) => progress.bytes),
      total: sum(({ total }) => total),
      resumed: sum(({ progress }) => progress.resumed),
      retries: sum(({ progress }) => progress.retries),
      cached: blobs.every(({ progress }) => progress.cached === true),
    });
  }
}
