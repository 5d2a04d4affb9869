import { OciError } from "../../spec/errors.ts";
import type { Compression } from "../../spec/media_types.ts";

/**
 * Compressed bytes are damaged, cut short, followed by something else, or of a format that
 * layers do not have.
 *
 * @example A layer that ends too early
 * ```ts
 * import { DecompressError, DecompressStream } from "@x/oci/layer";
 * import { assertRejects } from "@std/assert";
 *
 * const gzip = new Blob(["hello"]).stream().pipeThrough(new CompressionStream("gzip"));
 * const bytes = new Uint8Array(await new Response(gzip).arrayBuffer());
 * const cut = new Blob([bytes.subarray(0, -4)]).stream().pipeThrough(new DecompressStream());
 *
 * await assertRejects(() => new Response(cut).bytes(), DecompressError, "cut short");
 * ```
 */
export class DecompressError extends OciError {
  /** What the bytes were taken for, or `undefined` if they are nothing known. */
  readonly compression: Compression | undefined;
  /** Where the chunk begins in which the damage was met, in compressed bytes. */
  readonly offset: number;

  /** Creates the error; `state` says what is wrong. */
  constructor(
    compression: Compression | undefined,
    offset: number,
    state: string,
    options?: ErrorOptions,
  ) {
    const subject = compression === undefined || compression === "none" ? "layer" : compression;
    super(`Cannot decompress ${subject} after byte ${offset}: ${state}`, options);
    this.compression = compression;
    this.offset = offset;
  }
}
