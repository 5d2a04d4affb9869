import type { ContentOptions, NamedSource, NamedTarget } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";

/** One image, or other document, at the place that it is copied from. */
export interface CopySource extends AsyncDisposable {
  /** Where it is, for messages, such as `ghcr.io/owner/app:1` or `oci:./layout:v1`. */
  readonly label: string;
  /** The content there. */
  readonly content: NamedSource;
  /**
   * Finds the document that the location means.
   *
   * @param options How to stop.
   * @returns Its descriptor.
   * @throws {OciError} If it is not there; the message says where it was looked for.
   */
  root(options?: ContentOptions): Promise<Descriptor>;
  /** Returns the name there of another tag of the same repository, if there are such names. */
  readonly nameOfTag?: ((tag: string) => string | undefined) | undefined;
}

/** The place that an image, or another document, is copied to. */
export interface CopyTarget extends AsyncDisposable {
  /** Where it is, for messages, such as `ghcr.io/owner/app:1` or `oci:./layout:v1`. */
  readonly label: string;
  /** The content there. */
  readonly content: NamedTarget;
  /** The name that the document gets; `undefined` if it stays without one. */
  readonly name: string | undefined;
  /** The only document that it may be, where the location names one. */
  readonly digest?: Digest | undefined;
  /**
   * Whether it takes images of one platform only, and no indexes.
   *
   * @default {false}
   */
  readonly isForOnePlatform?: boolean | undefined;
  /** Returns the name there of another tag of the same repository, if there are such names. */
  readonly nameOfTag?: ((tag: string) => string | undefined) | undefined;
  /** Lists a document that gets no name, where the target has a list of those. */
  keep?(descriptor: Descriptor, options?: ContentOptions): void | Promise<void>;
  /**
   * Makes all that was pushed visible at once, where the target can do so only at the end, as an
   * archive does by renaming its file. Disposing without it leaves nothing behind under the final
   * name.
   */
  commit?(): Promise<void>;
}
