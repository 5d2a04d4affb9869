// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Unpacks one path of an image into a directory.
 *
 *     deno run -A examples/unpack_path.ts alpine:3.20 etc ./alpine-etc
 */
import { unpack } from "@x/oci";

const [reference = "alpine:3.20", path = "etc", directory = "./unpacked"] = Deno.args;
const { image, report } = await unpack(reference, directory, {
  platform: "linux/amd64",
  paths: [path],
});
console.log(`${report.bytes} bytes of ${image.digest}`);
