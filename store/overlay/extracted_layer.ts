/** A layer that is extracted into a directory fit to be a lower one of an overlay. */
export interface ExtractedLayer {
  /** Its name in the store. */
  readonly name: string;
  /** Its directory. */
  readonly path: string;
  /** Whether the layer hides everything in the layers below it. */
  readonly opaqueRoot: boolean;
  /** Whether the layer has an entry for the root directory. */
  readonly describesRoot: boolean;
}
