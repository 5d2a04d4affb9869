/** Options for {@linkcode ContentStore.open}. */
export interface ContentStoreOptions {
  /**
   * Whether the directory is opened for reading only, such as another user's image layout. Its owner
   * and permissions then do not matter, and a write fails with a {@linkcode StoreError}.
   *
   * @default {false}
   */
  readonly foreign?: boolean | undefined;
  /**
   * Whether the file `oci-layout` may be damaged, for `fsck()` to repair it.
   *
   * @default {false}
   */
  readonly damaged?: boolean | undefined;
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
