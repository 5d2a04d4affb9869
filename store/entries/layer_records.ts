import { type SeekPoint, SeekPointRecorder } from "../../layer/compression/seek_points.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import type { Digest } from "../../spec/digest.ts";
import { FILE_MODE } from "../host/durable.ts";
import { encodeSeekPoints } from "./_seek_file.ts";
import { EntryRecorder } from "./entry_recorder.ts";

/**
 * Records what later reads of a layer need while it is read for the first time: its entries, and
 * points at which decompression can start. Synchronous, so that it works in a worker.
 *
 * Nothing depends on these files. So a failure to write one is ignored, and so is the loss of one
 * in a power failure, which its digest shows.
 */
export class LayerRecords {
  /** Recorder for the decompressor; `undefined` if another thread decompresses. */
  readonly seekPoints: SeekPointRecorder | undefined;
  readonly #path: string;
  readonly #entries = new EntryRecorder();

  /**
   * Creates the records of a layer.
   *
   * @param path Path of the index, from `LayerEntries.missing()`.
   * @param decompresses Whether this thread decompresses the layer.
   */
  constructor(path: string, decompresses: boolean) {
    this.#path = path;
    this.seekPoints = decompresses ? new SeekPointRecorder() : undefined;
  }

  /** Records an entry. */
  add(header: TarHeader): void {
    this.#entries.add(header);
  }

  /** Forgets everything, because the layer begins anew. */
  clear(): void {
    this.#entries.clear();
    this.seekPoints?.clear();
  }

  /**
   * Writes the files, after the layer has been read to its end and verified.
   *
   * @param diffId Digest of the archive.
   * @param archiveBytes Size of the archive.
   */
  save(diffId: Digest, archiveBytes: number): void {
    if (this.seekPoints !== undefined) saveSeekPoints(this.#path, this.seekPoints.points);
    const index = this.#entries.finish(diffId, archiveBytes);
    if (index !== undefined) replaceFile(this.#path, index);
  }
}

/** Writes the seek points of a layer, if it has any. */
export function saveSeekPoints(path: string, points: readonly SeekPoint[]): void {
  if (points.length > 0) replaceFile(seekPath(path), encodeSeekPoints(points));
}

/** Returns the path of the seek points of a layer. */
export function seekPath(path: string): string {
  return `${path}.seek`;
}

function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    Deno.writeFileSync(temporary, bytes, { createNew: true, mode: FILE_MODE });
    Deno.renameSync(temporary, path);
  } catch {
    // The store is not writable or the disk is full: the layer is read again each time.
    try {
      Deno.removeSync(temporary);
    } catch {
      // It was not created.
    }
  }
}
