import type { ImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { ContentOptions, NamedSource, NamedTarget } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";

/** The source of a copy of an image, or another document. */
export interface CopySource {
  /** Location for messages, such as `ghcr.io/owner/app:1` or `oci:./layout:v1`. */
  readonly label: string;
  /** The content there. */
  readonly content: NamedSource;
  /**
   * Finds the document of the location.
   *
   * @param options Abort signal.
   * @returns Its descriptor.
   * @throws {OciError} If it does not exist; the message names the place.
   */
  root(options?: ContentOptions): Promise<Descriptor>;
  /** Returns the name of another tag of the same repository, if the place has such names. */
  readonly nameOfTag?: ((tag: string) => string | undefined) | undefined;
}

export interface OpenSource extends CopySource, AsyncDisposable {
  /** Returns the reference under which a store records the document. */
  reference(): Promise<Reference>;
}

/** The target of a copy of an image, or another document. */
export interface CopyTarget {
  /** Location for messages, such as `ghcr.io/owner/app:1` or `oci:./layout:v1`. */
  readonly label: string;
  /** The content there. */
  readonly content: NamedTarget;
  /** Name to give the document; `undefined` for none. */
  readonly name: string | undefined;
  /** Digest that the document must have, if the location names one. */
  readonly digest?: Digest | undefined;
  /**
   * Whether it accepts only images of one platform, and no indexes.
   *
   * @default {false}
   */
  readonly isForOnePlatform?: boolean | undefined;
  /** Returns the name of another tag of the same repository, if the place has such names. */
  readonly nameOfTag?: ((tag: string) => string | undefined) | undefined;
  /** Lists a document without a name, if the target has a list. */
  keep?(descriptor: Descriptor, options?: ContentOptions): void | Promise<void>;
  /**
   * Makes everything that was pushed visible at once, for a target that can only do so at the end,
   * such as an archive whose file is renamed. Without it, disposal leaves nothing behind under the
   * final name.
   */
  commit?(): Promise<void>;
}

/** Returns the name of a layout or an archive in messages. */
export function labelOf(
  location: Exclude<ImageLocation, { readonly transport: "docker" }>,
): string {
  const { transport, path, name } = location;
  const digest = transport === "oci" ? location.digest : undefined;
  const version = digest === undefined ? "" : `@${digest}`;
  return `${transport}:${path}${name === undefined ? "" : `:${name}`}${version}`;
}
