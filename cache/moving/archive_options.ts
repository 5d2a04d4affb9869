import type { ImageProgress } from "../../registry/image_client.ts";
import type { LoadArchiveOptions } from "../../store/moving/load_archive.ts";
import type { SaveArchiveOptions } from "../../store/moving/save_archive.ts";
import type { PullOptions } from "../pull_options.ts";

/** Options for {@linkcode save}. */
export interface SaveOptions
  extends
    Omit<SaveArchiveOptions, "onProgress" | "platform">,
    Pick<PullOptions, "store" | "onWait"> {
  /**
   * The only platform to save, as an object or as `OS/ARCH[/VARIANT]`.
   *
   * @default All, if the store has all and the format supports several, else the host's.
   */
  readonly platform?: PullOptions["platform"];
  /** Called with the progress of the operation. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}

/** Options for {@linkcode load}. */
export interface LoadOptions
  extends
    Omit<LoadArchiveOptions, "onProgress" | "onVerify">,
    Pick<PullOptions, "store" | "onWait"> {
  /** Called with the progress of the operation: first of verifying, then of storing. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}
