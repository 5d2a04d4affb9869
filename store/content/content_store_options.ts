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
   * The most bytes that are read.
   *
   * @default {8_388_608}
   */
  readonly maxBytes?: number | undefined;
}

/** Options for {@linkcode ContentStore.openBlob}. */
export interface OpenBlobOptions {
  /**
   * First byte.
   *
   * @default {0}
   */
  readonly offset?: number | undefined;
  /**
   * How many bytes.
   *
   * @default All that follow.
   */
  readonly length?: number | undefined;
  /**
   * Whether the memory of a chunk may be used for the next one: for a reader that is done with a
   * chunk, or has transferred its buffer, before it reads on.
   *
   * @default {false}
   */
  readonly reuseMemory?: boolean | undefined;
  /** Stops the reading. */
  readonly signal?: AbortSignal | undefined;
}
