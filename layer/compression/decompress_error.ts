import { OciError } from "../../spec/errors.ts";
import type { Compression } from "../../spec/image/media_types.ts";

/**
 * Thrown when compressed bytes are damaged, truncated, followed by other data, or in a format that
 * layers do not use.
 *
 * @example Detect a truncated layer
 * ```ts
 * import { DecompressError, DecompressStream } from "@x/oci/layer";
 * import { assertRejects } from "@std/assert";
 *
 * const layer = await Deno.readFile("./layer.tar.gz");
 * const truncated = new Blob([layer.subarray(0, -4)]).stream();
 * const archive = truncated.pipeThrough(new DecompressStream());
 *
 * await assertRejects(() => new Response(archive).bytes(), DecompressError, "truncated");
 * ```
 */
export class DecompressError extends OciError {
  /** Detected compression, or `undefined` if the format is unknown. */
  readonly compression: Compression | undefined;
  /** Offset of the damaged chunk, in compressed bytes. */
  readonly offset: number;

  /** Creates the error. `problem` is the cause in words. */
  constructor(
    compression: Compression | undefined,
    offset: number,
    problem: string,
    options?: ErrorOptions,
  ) {
    const subject = compression === undefined || compression === "none" ? "layer" : compression;
    super(problem, {
      ...options,
      code: "compression",
      action: `decompress ${subject} after byte ${offset}`,
    });
    this.compression = compression;
    this.offset = offset;
  }
}
