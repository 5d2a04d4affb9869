import type { Digest } from "../../spec/digest.ts";
import type { ContentOptions, OpenContent } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";

/** A document or a blob that is copied. */
export interface CopyNode {
  /** Descriptor at the source. */
  readonly descriptor: Descriptor;
  /** The verified bytes and the parsed document; absent for a blob. */
  readonly document: ImageDocument<ManifestDocument> | undefined;
  /** Descriptors at the target of everything that it references, by the digest at the source. */
  readonly copied: ReadonlyMap<Digest, Descriptor>;
}

/** Content that is stored in place of a node. */
export interface Replacement {
  /** Its descriptor. */
  readonly descriptor: Descriptor;
  /** Opens its bytes. */
  readonly open: OpenContent;
}

/** Progress of the copy of a document or a blob. */
export interface CopyProgress {
  /** The document or blob. */
  readonly descriptor: Descriptor;
  /**
   * Event: it was found in the graph, bytes were sent, an attempt failed and is retried, or the
   * target has it because it was sent, mounted or skipped.
   */
  readonly state: "found" | "sending" | "retry" | "copied" | "mounted" | "skipped";
  /** Number of its bytes that the target has. */
  readonly bytes: number;
}

/** Options for {@linkcode copyGraph}. */
export interface CopyGraphOptions extends ContentOptions {
  /**
   * Maximum number of blobs to copy at once.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /**
   * Whether to copy the referrers of each document, too: manifests that refer to it through
   * `subject`, and in turn their referrers.
   *
   * @default {false}
   */
  readonly withReferrers?: boolean | undefined;
  /**
   * Treatment of non-distributable layers with `urls` in their descriptor. `"skip"` leaves them
   * where they are, `"copy"` copies them, `"refuse"` throws.
   *
   * @default {"skip"}
   */
  readonly foreignLayers?: "skip" | "copy" | "refuse" | undefined;
  /**
   * Chooses the successors of a document, such as the platforms of an index. The others are not
   * copied, and the document stays unchanged.
   *
   * @param node The document.
   * @param successors Everything that it references.
   */
  readonly successors?:
    | ((
      node: CopyNode,
      successors: readonly Descriptor[],
    ) => readonly Descriptor[] | Promise<readonly Descriptor[]>)
    | undefined;
  /**
   * Called before a node is stored, after everything that it references. A returned replacement is
   * stored in its place, and documents that reference it are rewritten with its descriptor.
   */
  readonly before?:
    | ((node: CopyNode) => Replacement | void | Promise<Replacement | void>)
    | undefined;
  /** Called after a node was stored, with its descriptor at the target. */
  readonly after?: ((node: CopyNode, stored: Descriptor) => void | Promise<void>) | undefined;
  /** Called for each node that the target already has. */
  readonly skipped?: ((descriptor: Descriptor) => void | Promise<void>) | undefined;
  /** Called as the copy proceeds. */
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
}
