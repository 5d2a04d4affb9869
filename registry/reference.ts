import type { Digest } from "../spec/mod.ts";

/** Names an image in a registry. */
export interface Reference {
  /** Host and port of the registry, such as `docker.io` or `localhost:5000`. */
  readonly registry: string;
  /** Repository in the registry, such as `library/alpine`. */
  readonly repository: string;
  /** The tag, if one is given or implied. */
  readonly tag?: string;
  /** The digest, if one is given; it decides, and the tag is for the reader. */
  readonly digest?: Digest;
}
