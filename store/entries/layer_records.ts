import { type SeekPoint, SeekPointRecorder } from "../../layer/compression/seek_points.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import type { Digest } from "../../spec/digest.ts";
import { replaceEntryFile } from "./_replace_entry_file.ts";
import { encodeSeekPoints } from "./_seek_file.ts";
import { EntryRecorder } from "./entry_recorder.ts";

/** Where to write the records of a layer; plain data, which can be sent to a thread. */
export interface RecordPlan {
  /** Path of the index. */
  readonly path: string;
  /** Digest of the layer's archive. */
  readonly diffId: Digest;
}

/**
 * Records what speeds up later reads of a layer while it is read for the first time: its entries,
 * and points at which decompression can start.
 *
 * Nothing depends on these files, so failures to write them are ignored, and they are not synced. The
 * digest in a file detects damage by a power failure.
 */
export class LayerRecords {
  /** Recorder for the decompressor; `undefined` if another thread decompresses. */
  readonly seekPoints: SeekPointRecorder | undefined;
  readonly #plan: RecordPlan;
  readonly #entries = new EntryRecorder();

  /**
   * Creates the records of a layer.
   *
   * @param decompresses Whether this thread decompresses the layer.
   */
  constructor(plan: RecordPlan, decompresses: boolean) {
    this.#plan = plan;
    this.seekPoints = decompresses ? new SeekPointRecorder() : undefined;
  }

  /** Records an entry. */
  add(header: TarHeader): void {
    this.#entries.add(header);
  }

  /**
   * Writes the files, after the layer has been read to its end and verified.
   *
   * @param archiveBytes Size of the archive up to its last entry.
   */
  save(archiveBytes: number): void {
    const { path, diffId } = this.#plan;
    if (this.seekPoints !== undefined) saveSeekPoints(path, this.seekPoints.points);
    const entries = this.#entries.finish(diffId, archiveBytes);
    if (entries !== undefined) replaceEntryFile(path, entries);
  }
}

/** Writes the seek points of a layer, if it has any. */
export function saveSeekPoints(path: string, points: readonly SeekPoint[]): void {
  if (points.length > 0) replaceEntryFile(`${path}.seek`, encodeSeekPoints(points));
}
