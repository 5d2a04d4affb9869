// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Lists the entries of each layer of an image, in the order of the archives.
 *
 *     deno run -A examples/list_layer.ts alpine:3.20
 */
import { pull } from "@x/oci";
import { UntarStream } from "@x/oci/layer";

const image = await pull(Deno.args[0] ?? "alpine:3.20", { platform: "linux/amd64" });
for (const layer of image.layers) {
  console.log(layer.digest);
  const archive = await layer.uncompressed();
  for await (const { path, header, readable } of archive.pipeThrough(new UntarStream())) {
    console.log(header.type, header.size, path);
    await readable?.cancel();
  }
}
