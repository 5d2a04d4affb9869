import type { Descriptor } from "../../spec/image/descriptor.ts";

/** Share of an image's bytes above which a layer is started before the others. */
const EARLY_SHARE = 0.1;

/** A layer with its index in the image. */
interface NumberedLayer<T> {
  readonly index: number;
  readonly layer: T;
}

/**
 * Returns the order in which to start the layers: large ones first, so that none of them is still
 * running at the end, then the others from the base up, in the order of the merges.
 */
export function beginningOrder<T extends { readonly descriptor: Descriptor }>(
  layers: readonly T[],
): readonly NumberedLayer<T>[] {
  const bytes = layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const weight = ({ layer: { descriptor: { size } } }: NumberedLayer<T>) => {
    return size > bytes * EARLY_SHARE ? size : 0;
  };
  // Sorting is stable: layers of equal weight stay in the order of the image.
  return layers.map((layer, index) => ({ index, layer })).sort((a, b) => weight(b) - weight(a));
}
