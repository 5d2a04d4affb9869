// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Pulls an image and prints one of its files. Nothing is unpacked.
 *
 *     deno run -A examples/read_file.ts alpine:3.20 etc/os-release
 */
import { pull } from "@x/oci";

const [reference = "alpine:3.20", path = "etc/os-release"] = Deno.args;
const image = await pull(reference, { platform: "linux/amd64" });
const files = await image.files();
console.log(await files.readText(path) ?? `${image.digest} has no ${path}`);
