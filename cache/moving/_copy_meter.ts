import type { ImageProgress } from "../../registry/image_client.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { CopyProgress } from "../../store/moving/copy_options.ts";
import { ProgressMeter } from "../progress_meter.ts";
import type { CopiedImage } from "./moving_options.ts";

/**
 * Adds up the progress of a copy, and reports it like the progress of a pull. Disposing of it ends
 * the reports.
 */
export class CopyMeter implements Disposable {
  readonly #meter: ProgressMeter;
  readonly #retries = new Map<string, number>();
  /** Documents and blobs that were not sent, and why. */
  readonly #unsent = new Map<string, "mounted" | "skipped">();
  #bytes = 0;
  #copied = 0;
  #skipped = 0;

  constructor(name: string, report: ((progress: ImageProgress) => void) | undefined) {
    this.#meter = new ProgressMeter(name, { layers: [], documents: [] }, report);
  }

  /** Totals of the copy so far. */
  get sum(): Pick<CopiedImage, "bytes" | "copied" | "skipped"> {
    return { bytes: this.#bytes, copied: this.#copied, skipped: this.#skipped };
  }

  /** Records what happened to a document or a blob. */
  add({ descriptor, state, bytes }: CopyProgress): void {
    const { mediaType, digest, size } = descriptor;
    const retries = (this.#retries.get(digest) ?? 0) + (state === "retry" ? 1 : 0);
    if (state === "retry") {
      this.#retries.set(digest, retries);
      this.#takeBack(descriptor);
    }
    switch (state) {
      case "found":
        this.#meter.expect(descriptor, !isDocumentMediaType(mediaType));
        return;
      case "sending":
      case "retry":
        this.#meter.update(descriptor, { bytes, resumed: 0, retries });
        return;
      case "copied":
        this.#bytes += size;
        this.#copied++;
        break;
      case "mounted":
        this.#copied++;
        break;
      case "skipped":
        this.#skipped++;
    }
    const cached = state !== "copied";
    if (state !== "copied") this.#unsent.set(digest, state);
    this.#meter.finish(descriptor, { bytes: size, resumed: 0, retries, cached });
  }

  /** Discards the result for content that is sent after all. */
  #takeBack(descriptor: Descriptor): void {
    const { digest, mediaType } = descriptor;
    const state = this.#unsent.get(digest);
    if (state === undefined) return;
    this.#unsent.delete(digest);
    if (state === "mounted") this.#copied--;
    else this.#skipped--;
    this.#meter.leaveOut(descriptor);
    this.#meter.expect(descriptor, !isDocumentMediaType(mediaType));
  }

  /** Reports that the copy is complete. */
  end(): void {
    this.#meter.end();
  }

  [Symbol.dispose](): void {
    this.#meter[Symbol.dispose]();
  }
}
