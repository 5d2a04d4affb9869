import type { ImageProgress } from "../../registry/image_client.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { CopyProgress } from "../../store/moving/copy_options.ts";
import { ProgressMeter } from "../progress_meter.ts";
import type { CopiedImage } from "./copy_options.ts";

/** Adds up the progress of a copy, and reports it like the progress of a pull. */
export class CopyMeter {
  readonly #meter: ProgressMeter;
  readonly #retries = new Map<string, number>();
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
    if (state === "retry") this.#retries.set(digest, retries);
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
    this.#meter.finish(descriptor, { bytes: size, resumed: 0, retries, cached });
  }

  /** Reports that the copy is complete. */
  end(): void {
    this.#meter.end();
  }
}
