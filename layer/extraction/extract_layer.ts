import type { Digest } from "../../spec/digest.ts";
import { describeError } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { verifiesItself } from "../../spec/verifier.ts";
import { DecompressError } from "../compression/decompress_error.ts";
import type { DecompressOptions } from "../compression/decompressor.ts";
import { LayerDecoder, type LayerDecoderOptions } from "../compression/layer_decoder.ts";
import type { OpenFileTreeOptions } from "../disk/open_tree.ts";
import { describePlace, ExtractError, type ExtractPlace } from "../errors.ts";
import { TarError } from "../tar/tar_error.ts";
import type { TarLimits } from "../tar/tar_limits.ts";
import { MAX_EMPTY_BYTES, TarParser } from "../tar/tar_parser.ts";
import type { FileTree } from "../trees/file_tree.ts";
import { extractInto } from "./_extraction_root.ts";
import type { ExtractReport } from "./extract_report.ts";
import { LayerExtractor, type LayerExtractorOptions } from "./extractor.ts";

/** Options for {@linkcode extractLayer}. */
export interface ExtractLayerOptions
  extends LayerExtractorOptions, OpenFileTreeOptions, TarLimits, DecompressOptions {
  /** Expected digest and size of the stream; not verified if absent. */
  readonly descriptor?: Descriptor | undefined;
  /** Expected digest of the archive; not verified if absent. */
  readonly diffId?: Digest | undefined;
  /**
   * Origin of the bytes in errors: a URL, or a path in quotes.
   *
   * By default, the name of the layer.
   */
  readonly source?: string | undefined;
  /**
   * Called with the number of decompressed bytes so far. An error that it throws stops the
   * extraction.
   */
  readonly onPosition?: ((bytes: number) => void) | undefined;
  /** Aborts the extraction. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Verifies, decompresses and extracts one layer in a single pass.
 *
 * The content of the root counts as lower layers, so whiteouts apply to it. The stream is read
 * to its end, because unread bytes would not be verified. On failure, a root that this call
 * created is removed; an existing one keeps the extracted files.
 *
 * @param stream The bytes of the layer, compressed or not.
 * @param root Directory to extract into, created if it is missing; or an open tree, which stays open.
 * @param options Expected digests, limits and extraction options.
 * @returns What was done and what was skipped.
 * @throws {ExtractError} If an entry cannot be extracted, the bytes are damaged, or `root` is not a
 *   directory.
 * @throws {PathEscapeError} If an entry would replace or hide the root.
 * @throws {DigestMismatchError} If the bytes do not match `descriptor`.
 * @throws {DiffIdMismatchError} If the archive does not match `diffId`.
 * @throws {LimitError} If the layer exceeds a limit.
 * @throws {RangeError} If a limit is not a number >= 0.
 *
 * @example Extract a layer into a directory
 * ```ts
 * import { extractLayer } from "@x/oci/layer";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 *
 * const report = await extractLayer(layer.readable, "./rootfs");
 *
 * assertEquals(report.skipped, []);
 * const release = await Deno.readTextFile("./rootfs/etc/os-release");
 * assertStringIncludes(release, "Alpine Linux");
 * ```
 */
export async function extractLayer(
  stream: ReadableStream<Uint8Array>,
  root: string | FileTree,
  options: ExtractLayerOptions = {},
): Promise<ExtractReport> {
  return (await extractStream(stream, root, options)).report;
}

/** Options for {@linkcode extractStream}. */
export interface ExtractStreamOptions extends ExtractLayerOptions, LayerDecoderOptions {
  /** Size of the layer; by default, that of the descriptor. */
  readonly layerBytes?: number | undefined;
}

/** Result of {@linkcode extractStream}. */
export interface ExtractedStream {
  readonly report: ExtractReport;
  /** Size of the decompressed archive. */
  readonly archiveBytes: number;
}

/** Implements {@linkcode extractLayer}. If that fails, cancels the stream. */
export async function extractStream(
  stream: ReadableStream<Uint8Array>,
  root: string | FileTree,
  options: ExtractStreamOptions,
): Promise<ExtractedStream> {
  if (typeof root !== "string") return await extractToTree(stream, root, options);
  try {
    return await extractInto(root, options, (tree) => extractToTree(stream, tree, options));
  } catch (error) {
    await stream.cancel(error).catch(() => {
      // The stream has failed itself, or was canceled when the extraction failed.
    });
    throw error;
  }
}

async function extractToTree(
  stream: ReadableStream<Uint8Array>,
  tree: FileTree,
  options: ExtractStreamOptions,
): Promise<ExtractedStream> {
  const { signal, handler, descriptor, layer = descriptor?.digest } = options;
  const { layerBytes = descriptor?.size, onPosition = () => {} } = options;
  const named = { ...options, layer };
  /** The current entry, for errors of the parser and the decompressor. */
  let place: ExtractPlace = { layer, path: "", offset: 0 };
  const reader = stream.getReader();
  try {
    using extractor = new LayerExtractor(tree, {
      ...named,
      handler: (header) => {
        place = { layer, path: header.path, offset: header.offset };
        return handler === undefined ? header : handler(header);
      },
    });
    // A store verifies each read, and hashing the bytes again would take as long.
    const isVerifying = descriptor !== undefined && verifiesItself(stream, descriptor);
    using decoder = new LayerDecoder({ ...named, isVerifying });
    const parser = new TarParser(extractor, named);
    const rest = readAll(reader, signal);
    try {
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        for (const bytes of decoder.outputs(next.value)) {
          parser.push(bytes);
          onPosition(decoder.bytesOut);
        }
      }
      decoder.finish();
      // Checked last, because a wrong digest explains more than a truncated archive.
      parser.finish();
    } catch (error) {
      const isDamaged = error instanceof DecompressError || error instanceof TarError;
      const mismatch = isDamaged ? await decoder.verifyRest(rest) : undefined;
      throw mismatch ?? locate(error, place);
    }
    const report = extractor.finish();
    if (report.entries === 0) rejectEmpty(layer, layerBytes);
    return { report, archiveBytes: decoder.bytesOut };
  } catch (error) {
    await reader.cancel(error).catch(() => {
      // The stream itself has failed. Its error is thrown below.
    });
    throw error;
  } finally {
    reader.releaseLock();
  }
}

/**
 * Rejects a layer without entries that is larger than an empty archive: its content is elsewhere in
 * the blob, for example in a frame that decompressors skip.
 */
function rejectEmpty(layer: string | undefined, layerBytes: number = 0): void {
  if (layerBytes <= MAX_EMPTY_BYTES) return;
  throw new ExtractError(
    { layer, path: "", offset: 0 },
    `its archive is empty, although the layer has ${layerBytes} bytes`,
    { advice: "Report it to the author of the image" },
  );
}

/** Adds the current entry to an error of the parser or the decompressor. */
function locate(error: unknown, place: ExtractPlace): unknown {
  if (error instanceof TarError) {
    const { entry: path = "", offset } = error;
    // The problem does not contain the position, so the place adds it.
    return new ExtractError({ ...place, path, offset }, error.problem, { cause: error });
  }
  if (error instanceof DecompressError) {
    return new ExtractError(place, describeError(error), { cause: error });
  }
  if (error instanceof LimitError) {
    const { limit, max, value, subject, option } = error;
    const found = describePlace(place);
    const within = subject === undefined ? found : `${subject}, found in ${found}`;
    return new LimitError(limit, max, value, within, option);
  }
  return error;
}

/** Yields the chunks of a stream, which stays open when the caller stops. */
async function* readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  while (true) {
    signal?.throwIfAborted();
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}
