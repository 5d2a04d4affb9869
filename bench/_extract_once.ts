/** `deno run -A bench/_extract_once.ts ARCHIVE ROOT native|pure`: one extraction, to be timed. */
import { openFileTree } from "../layer/disk/open_tree.ts";
import { LayerExtractor } from "../layer/extraction/extractor.ts";
import { TarParser } from "../layer/tar/tar_parser.ts";

const [archive = "", root = "", backend = "native"] = Deno.args;

Deno.mkdirSync(root);
using tree = openFileTree(root, { backend: backend === "pure" ? "pure" : "native" });
using extractor = new LayerExtractor(tree);
const parser = new TarParser(extractor);
using file = Deno.openSync(archive);
const buffer = new Uint8Array(1 << 20);
for (let size = file.readSync(buffer); size !== null; size = file.readSync(buffer)) {
  parser.push(buffer.subarray(0, size));
}
parser.finish();
extractor.finish();
