import { describeTree, readTree } from "../_support/tree.ts";

/**
 * A root file system entry by entry, without the root, which few layers describe. The number of
 * names of a file covers only visible names: an overlay counts hidden ones as well.
 */
export function describeRoot(root: string): Record<string, string> {
  const states = readTree(root);
  const names = Map.groupBy(states.values(), ({ sameAs }) => sameAs);
  const counted = [...states].map(([path, state]) => {
    const nlink = state.type === "directory" ? 1 : names.get(state.sameAs)?.length ?? 1;
    return [path, { ...state, nlink }] as const;
  });
  return describeTree(new Map(counted));
}
