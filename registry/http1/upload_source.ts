/** A request body that is read while it is sent. */
export interface UploadSource {
  /** Number of bytes. */
  readonly size: number;
  /**
   * Reads the next bytes, or `undefined` after `size` bytes; fails if there are more or fewer. The
   * next call may overwrite the bytes.
   */
  read(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Cancels reading the rest. */
  cancel(): void;
}

/** Watches whether a server accepts data. */
export interface UploadWatchdog {
  /** Suspends the watch. */
  suspend(): void;
  /** Restarts the watch after the server has accepted data. */
  resume(): void;
}

/** Returns whether a request body is an {@linkcode UploadSource}. */
export function isUploadSource(body: object | null): body is UploadSource {
  return body !== null && "size" in body && "read" in body;
}

/**
 * Reads the next bytes of a body. Suspends the watchdog during the read, because the server is not to
 * blame for a slow source.
 */
export async function readWatched(
  source: UploadSource,
  watchdog: UploadWatchdog,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  watchdog.suspend();
  try {
    return await source.read();
  } finally {
    watchdog.resume();
  }
}
