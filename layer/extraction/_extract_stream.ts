import { describeError } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { DecompressError } from "../compression/decompress_error.ts";
import { LayerDecoder, type LayerDecoderOptions } from "../compression/layer_decoder.ts";
import { describePlace, ExtractError, type ExtractPlace } from "../errors.ts";
import { TarError } from "../tar/tar_error.ts";
import type { TarHeader, TarSink } from "../tar/tar_header.ts";
import type { TarLimits } from "../tar/tar_limits.ts";
import { MAX_EMPTY_BYTES, TarParser } from "../tar/tar_parser.ts";
import type { FileTree } from "../trees/file_tree.ts";
import type { ExtractReport } from "./extract_report.ts";
import { LayerExtractor, type LayerExtractorOptions } from "./extractor.ts";

/** Options for {@linkcode extractStream}. */
export interface ExtractStreamOptions
  extends LayerExtractorOptions, LayerDecoderOptions, TarLimits {
  readonly layer?: string | undefined;
  /** Size of the layer; by default, that of the descriptor. */
  readonly layerBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Extracts one layer into an open tree. If that fails, cancels the stream.
 *
 * @returns The report, and the size of the decompressed archive.
 */
export async function extractStream(
  stream: ReadableStream<Uint8Array>,
  tree: FileTree,
  options: ExtractStreamOptions,
): Promise<{ readonly report: ExtractReport; readonly archiveBytes: number }> {
  const { signal, descriptor, layer = descriptor?.digest, layerBytes = descriptor?.size } = options;
  const named = { ...options, layer };
  const reader = stream.getReader();
  try {
    using extractor = new LayerExtractor(tree, named);
    using decoder = new LayerDecoder(named);
    const sink = new LocatingSink(extractor, layer);
    const parser = new TarParser(sink, named);
    const parse = (bytes: Uint8Array) => parser.push(bytes);
    const rest = readAll(reader, signal);
    try {
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        const pending = decoder.push(next.value, parse);
        if (pending !== undefined) await pending;
      }
      await decoder.finish();
      // Checked last, because a wrong digest explains more than a truncated archive.
      parser.finish();
    } catch (error) {
      const isDamaged = error instanceof DecompressError || error instanceof TarError;
      const mismatch = isDamaged ? await decoder.verifyRest(rest) : undefined;
      throw mismatch ?? sink.locate(error);
    }
    const report = extractor.finish();
    if (report.entries === 0) rejectEmpty(layer, layerBytes);
    return { report, archiveBytes: decoder.bytesOut };
  } catch (error) {
    await reader.cancel(error).catch(() => {
      // The stream itself has failed; its error is thrown below.
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

/** Remembers the current entry, for errors of the parser and the decompressor. */
class LocatingSink implements TarSink {
  readonly #sink: TarSink;
  #place: ExtractPlace;

  constructor(sink: TarSink, layer: string | undefined) {
    this.#sink = sink;
    this.#place = { layer, path: "", offset: 0 };
  }

  entry(header: TarHeader): void {
    this.#place = { layer: this.#place.layer, path: header.path, offset: header.offset };
    this.#sink.entry(header);
  }

  data(chunk: Uint8Array, offset: number): void {
    this.#sink.data(chunk, offset);
  }

  end(): void {
    this.#sink.end();
  }

  /** Adds the current entry to an error. */
  locate(error: unknown): unknown {
    if (error instanceof TarError) {
      const { entry: path = "", offset } = error;
      // The problem lacks the position, which the place adds.
      const place = { ...this.#place, path, offset };
      return new ExtractError(place, error.problem, { cause: error });
    }
    if (error instanceof DecompressError) {
      return new ExtractError(this.#place, describeError(error), { cause: error });
    }
    if (error instanceof LimitError) {
      const { limit, max, value, subject, option } = error;
      const place = describePlace(this.#place);
      const within = subject === undefined ? place : `${subject}, found in ${place}`;
      return new LimitError(limit, max, value, within, option);
    }
    return error;
  }
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
