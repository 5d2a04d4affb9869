import type { BlobReadOptions, RemoteLayer } from "../../spec/image/image.ts";

export interface RangedDownloadOptions {
  /** Path of the part. */
  readonly part: string;
  /** Name of the server, whose connections all downloads share. */
  readonly host: string;
  /** Maximum number of connections. */
  readonly connections: number;
  /** Time from a request to the server to its response, in milliseconds; 0 if unknown. */
  readonly latencyMs: number;
  /** Whether the server has announced that it supports ranges. */
  readonly acceptsRanges: boolean;
  /** Reservation of the first connection, disposed of once it is open. */
  readonly expected: Disposable | undefined;
  /** Opens a range of the blob. */
  readonly open: (options: BlobReadOptions) => ReturnType<RemoteLayer["compressed"]>;
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes in order, once the writer has hashed them. */
  readonly take: (chunk: Uint8Array<ArrayBuffer>) => void | Promise<void>;
  /** Whether `take` processes the bytes as they arrive, and retains the memory of its chunks. */
  readonly isFollowed: boolean;
  /** Called with the total number of bytes received. */
  readonly onBytes: (bytes: number) => void;
}
