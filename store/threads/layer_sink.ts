/**
 * Receives the bytes of a layer. The writer verifies that they match the digest of the blob.
 *
 * Each disposal, even a repeated one, waits until the sink no longer changes any file.
 *
 * @typeParam Result Plain data, which can be sent to another thread.
 */
export interface LayerSink<Result> extends AsyncDisposable {
  /** Position of the current entry in the archive, in bytes. */
  readonly position: number;
  /**
   * Writes the next bytes. From then on, the sink owns the chunk.
   *
   * @returns Nothing, or a promise to await before the next call.
   */
  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /**
   * Ends the layer.
   *
   * @param failure Why the remaining bytes are missing; absent if the layer is complete.
   */
  close(failure?: Error): Promise<Result>;
  /** Discards the results of all bytes so far. The next write starts the layer over. */
  restart(): Promise<void>;
}

/** Callbacks for the progress of a sink. */
export interface SinkListener {
  /** Called with each non-fatal problem. */
  warn(message: string): void;
  /** Called when the layer cannot be extracted, regardless of its remaining bytes. */
  fail(error: unknown): void;
}
