/**
 * `deno run -A _bundle_child.ts STORE DIGEST ID`: makes a bundle, reports it, and leaves it behind.
 */
import { type Digest, parsePlatform } from "../../../spec/mod.ts";
import { ContentStore, openBundler, readImage } from "../../../store/mod.ts";

const [path = "", digest = "", id = ""] = Deno.args;
const store = await ContentStore.open(path);
const image = await readImage(store, digest as Digest, parsePlatform("linux/amd64"));
if (image === undefined) throw new Error("the image is not complete");
const bundler = await openBundler(store);
await Deno.stdout.write(new TextEncoder().encode("begin\n"));
const bundle = await bundler.bundle(image, id);
await Deno.stdout.write(new TextEncoder().encode(`${bundle.path}\n`));
