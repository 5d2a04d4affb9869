import { OciError } from "../spec/mod.ts";

/** An image cannot be unpacked where it was to be. */
export class UnpackError extends OciError {
  /** The directory. */
  readonly path: string;

  /** Creates the error; `message` names the directory, what is wrong and what to do. */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}
