/**
 * Unpacks an image, and kills itself at a call that changes files. The first such call moves the
 * first entry to its final place. Prints the number of calls if it is not killed.
 *
 * @module
 */
import { ContentStore } from "../../../store/content/content_store.ts";
import { unpackImage } from "../../../store/unpacking/unpack_image.ts";
import { dir, file, tar } from "../../_support/tar.ts";
import { fakeLayers, imageOf } from "./_unpack_box.ts";

const [store = "", root = "", at = ""] = Deno.args;
let count = 0;

/** Replaces a function of Deno with one that counts its calls. */
function watch(name: "renameSync" | "chmodSync" | "utimeSync" | "remove" | "removeSync"): void {
  const call: unknown = Reflect.get(Deno, name);
  if (typeof call !== "function") throw new TypeError(`Cannot find Deno.${name}`);
  Reflect.set(Deno, name, (...args: unknown[]): unknown => {
    if (count > 0 || name === "renameSync") count++;
    if (count > 0 && count === Number(at)) Deno.kill(Deno.pid, "SIGKILL");
    return Reflect.apply(call, Deno, args);
  });
}

for (const name of ["renameSync", "chmodSync", "utimeSync", "remove", "removeSync"] as const) {
  watch(name);
}
const layer = tar(
  dir("", { mode: 0o555 }),
  dir(".oci-unpack", { mode: 0o500 }),
  file(".oci-unpack/f", "x"),
  dir("d"),
  file("d/f", "x"),
  file("e", "x"),
);
await unpackImage(await ContentStore.open(store), imageOf(fakeLayers([layer])), root, {
  backend: "pure",
});
await Deno.stdout.write(new TextEncoder().encode(`${count}`));
