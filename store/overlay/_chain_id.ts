import { type Digest, digestOf } from "../../spec/digest.ts";

/**
 * Returns the ChainIDs of layers, each of which identifies a layer and all layers below it.
 *
 * See the OCI image specification, {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid | config.md, ChainID}.
 *
 * @param diffIds The layers' DiffIDs, the base first.
 */
export function chainIdsOf(diffIds: readonly Digest[]): readonly Digest[] {
  const chainIds: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chainIds.at(-1);
    chainIds.push(
      below === undefined ? diffId : digestOf(new TextEncoder().encode(`${below} ${diffId}`)),
    );
  }
  return chainIds;
}
