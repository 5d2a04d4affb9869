/** An extracted layer, which can be a lower directory of an overlay. */
export interface ExtractedLayer {
  /** Name in the store. */
  readonly name: string;
  /** Path of the directory. */
  readonly path: string;
  /** Whether the layer hides everything in the layers below it. */
  readonly opaqueRoot: boolean;
  /** Whether the layer has an entry for the root directory. */
  readonly describesRoot: boolean;
}
