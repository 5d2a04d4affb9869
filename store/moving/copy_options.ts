import type { ContentOptions, OpenContent } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";

/** A document or a blob that is copied. */
export interface CopyNode {
  /** What it is at the source. */
  readonly descriptor: Descriptor;
  /** The verified bytes and what they say; absent for a blob. */
  readonly document: ImageDocument<ManifestDocument> | undefined;
  /** What it leads to, as descriptors at the target, by their digest at the source. */
  readonly copied: ReadonlyMap<Digest, Descriptor>;
}

/** Content that is stored in place of a node. */
export interface Replacement {
  /** What it is. */
  readonly descriptor: Descriptor;
  /** Opens its bytes. */
  readonly open: OpenContent;
}

/** How far the copy of a document or a blob is. */
export interface CopyProgress {
  /** The document or blob. */
  readonly descriptor: Descriptor;
  /**
   * What happened to it: it was found in the graph, bytes went to the target, an attempt failed and
   * is repeated, or it is at the target, as it was sent, mounted, or there already.
   */
  readonly state: "found" | "sending" | "retry" | "copied" | "mounted" | "skipped";
  /** Bytes of it that are at the target. */
  readonly bytes: number;
}

/** Options for {@linkcode copyGraph}. */
export interface CopyGraphOptions extends ContentOptions {
  /**
   * How many blobs are copied at the same time.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /**
   * Whether manifests that refer to a copied document through `subject` are copied as well, and
   * those that refer to them.
   *
   * @default {false}
   */
  readonly withReferrers?: boolean | undefined;
  /**
   * What happens to layers that lie elsewhere and must not be distributed: a descriptor with `urls`
   * and such a media type. `"skip"` leaves them where they are, `"copy"` copies them, `"refuse"`
   * throws.
   *
   * @default {"skip"}
   */
  readonly foreignLayers?: "skip" | "copy" | "refuse" | undefined;
  /**
   * Chooses what a document leads to, such as the platforms of an index; what is left out is not
   * copied, and the document stays as it is.
   *
   * @param node The document.
   * @param successors All that it leads to.
   */
  readonly successors?:
    | ((
      node: CopyNode,
      successors: readonly Descriptor[],
    ) => readonly Descriptor[] | Promise<readonly Descriptor[]>)
    | undefined;
  /**
   * Called before a node is stored, after everything that it leads to. A returned replacement is
   * stored in its place, and documents that lead to it are rewritten with its descriptor.
   */
  readonly before?:
    | ((node: CopyNode) => Replacement | void | Promise<Replacement | void>)
    | undefined;
  /** Called after a node was stored, with its descriptor at the target. */
  readonly after?: ((node: CopyNode, stored: Descriptor) => void | Promise<void>) | undefined;
  /** Called for each node that is at the target already. */
  readonly skipped?: ((descriptor: Descriptor) => void | Promise<void>) | undefined;
  /** Called as the copy proceeds. */
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
}
