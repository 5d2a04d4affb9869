/**
 * `deno run -A _killed_child.ts STORE DIGEST`: makes a bundle with mapped owners, and is killed while
 * its layers are mounted.
 */
import { type Digest, parsePlatform } from "../../../spec/mod.ts";
import { ContentStore, OverlayBundler, readImage } from "../../../store/mod.ts";
import { findKernelMounter } from "../../../store/overlay/find_mounter.ts";

const [path = "", digest = ""] = Deno.args;
const store = await ContentStore.open(path);
const image = await readImage(store, digest as Digest, parsePlatform("linux/amd64"));
if (image === undefined) throw new Error("the image is not complete");
const kernel = await findKernelMounter(path);
if (typeof kernel === "string") throw new Error(kernel);
const bundler = new OverlayBundler(store, {
  uidMap: [{ containerId: 0, hostId: 100_000, size: 2000 }],
  mounter: {
    ...kernel,
    async mount(lowers, target, writable) {
      if (target.endsWith("/rootfs")) Deno.kill(Deno.pid, "SIGKILL");
      await kernel.mount(lowers, target, writable);
    },
  },
});
await bundler.bundle(image, "web");
