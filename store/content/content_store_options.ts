/** Options for {@linkcode ContentStore.open}. */
export interface ContentStoreOptions {
  /**
   * Whether the directory is only read, such as another user's image layout. Its owner and
   * permissions do not matter then, and nothing can be stored in it.
   *
   * @default {false}
   */
  readonly foreign?: boolean | undefined;
  /** Called once if the wait for another process takes longer than a second. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/** Options for {@linkcode ContentStore.readBlob}. */
export interface ReadBlobOptions {
  /**
   * Maximum number of bytes to read.
   *
   * @default {8_388_608}
   */
  readonly maxBytes?: number | undefined;
}

/** Options for {@linkcode ContentStore.openBlob}. */
export interface OpenBlobOptions {
  /**
   * Offset of the first byte.
   *
   * @default {0}
   */
  readonly offset?: number | undefined;
  /**
   * Maximum number of bytes.
   *
   * @default All bytes from `offset` on.
   */
  readonly length?: number | undefined;
  /**
   * Whether the memory of a chunk may be reused for the next one. The reader must finish with a
   * chunk, or transfer its buffer, before it reads on.
   *
   * @default {false}
   */
  readonly reuseMemory?: boolean | undefined;
  /**
   * Whether to free the memory of a chunk when the next one is read, for a reader that passes
   * chunks on to the system.
   *
   * @default {false}
   */
  readonly freeMemory?: boolean | undefined;
  /** Aborts the stream. */
  readonly signal?: AbortSignal | undefined;
}
