import { assert } from "@std/assert";
import { MemoryTree } from "../../../layer/memory/memory_tree.ts";
import { archiveTree } from "../../../store/files/tree_archive.ts";

Deno.test("archiveTree() makes the headers of hard links while they are read", async () => {
  const links = 5000;
  let lookups = 0;
  class CountingTree extends MemoryTree {
    override status(path: string) {
      lookups++;
      return super.status(path);
    }
  }
  const tree = new CountingTree();
  tree.place = { layer: 0, offset: 0 };
  tree.createFile("a");
  for (let i = 0; i < links; i++) {
    tree.makeDirectory(`${i}`);
    tree.makeLink(`${i}/a`, "a");
  }
  const layer = {
    async *contents() {
      yield (async function* () {})();
    },
  };
  const counts: number[] = [];
  lookups = 0;

  for await (const _chunk of archiveTree(tree, [layer], {})) {
    counts.push(lookups);
    lookups = 0;
  }

  // Before the last chunk, all directories are searched for those that are still missing.
  const most = Math.max(...counts.slice(0, -1));
  assert(most < links / 10, `${most} lookups for one of ${counts.length} chunks`);
});
