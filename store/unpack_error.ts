import { OciError } from "../spec/errors.ts";

/** An image cannot be unpacked where it was to be. */
export class UnpackError extends OciError {
  /** The directory, or the path in the image that is not there. */
  readonly path: string;

  /** Creates the error; `message` names the path, what is wrong and what to do. */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}
