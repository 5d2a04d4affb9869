import type { Node } from "./_node.ts";
import type { NodeTable } from "./_node_table.ts";

/**
 * Returns the numbers of all names except those of directories, in the order of the layers and their
 * archives. Names of one file are sorted by the code units of their paths.
 */
export function contentOrder(nodes: NodeTable): readonly number[] {
  const numbers: number[] = [];
  const links: number[] = [];
  for (let number = nodes.root.ino + 1; number < nodes.size; number++) {
    const node = nodes.at(number);
    if (node.parent === 0 || node.type === "directory") continue;
    numbers.push(number);
    if (fileOf(nodes, node).nlink > 1) links.push(number);
  }
  const ranks = rankPaths(nodes, links);
  // Usually, they are nearly sorted already, which makes sorting fast.
  return numbers.sort((one, other) => {
    const a = fileOf(nodes, nodes.at(one));
    const b = fileOf(nodes, nodes.at(other));
    if (a.layer !== b.layer) return a.layer - b.layer;
    if (a.offset !== b.offset) return a.offset - b.offset;
    return (ranks[one] ?? 0) - (ranks[other] ?? 0);
  });
}

/** Returns the file of a name, which may be a hard link. */
export function fileOf(nodes: NodeTable, name: Node): Node {
  return name.file === 0 ? name : nodes.at(name.file);
}

/**
 * Returns the position of each name in the order of the paths. Walks the tree, because paths can
 * have two thousand levels: comparing them would take that many steps for each comparison.
 */
function rankPaths(nodes: NodeTable, names: readonly number[]): Uint32Array {
  const children = new Map<number, number[]>();
  for (const name of names) {
    for (let number = name; number !== nodes.root.ino;) {
      const { parent } = nodes.at(number);
      const siblings = children.get(parent);
      siblings?.push(number);
      if (siblings !== undefined) break;
      children.set(parent, [number]);
      number = parent;
    }
  }
  const ranks = new Uint32Array(nodes.size);
  // In a path, a slash follows the name of a directory.
  const keyOf = (number: number) => nodes.nameOf(number) + (children.has(number) ? "/" : "");
  const open = [nodes.root.ino];
  let rank = 0;
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    ranks[number] = ++rank;
    const keys = (children.get(number) ?? []).map((child) => ({ child, key: keyOf(child) }));
    // The last one is visited first.
    for (const { child } of keys.sort((a, b) => a.key < b.key ? 1 : -1)) open.push(child);
  }
  return ranks;
}
