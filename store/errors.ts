import type { Digest } from "../spec/digest.ts";
import { OciError } from "../spec/errors.ts";

/** A directory is not a store, or something in it is not what it must be. */
export class StoreError extends OciError {
  /** The directory or file. */
  readonly path: string;

  /** Creates the error; `message` names the path, what is wrong and what to do. */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** The disk is full, or the user's share of it. What had come is kept and will be resumed. */
export class DiskFullError extends OciError {
  /** The file that could not grow. */
  readonly path: string;
  /** The blob that was being written. */
  readonly digest: Digest;
  /** How many of its bytes are kept. */
  readonly size: number;

  /** Creates the error for a blob of which `size` bytes are kept in `path`. */
  constructor(digest: Digest, path: string, size: number, options?: ErrorOptions) {
    super(
      `Cannot store ${digest} in "${path}": the disk is full after ${size} bytes; ` +
        "free some space and try again, what has come is kept",
      options,
    );
    this.digest = digest;
    this.path = path;
    this.size = size;
  }
}
