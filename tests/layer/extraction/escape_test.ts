import { assert, assertEquals } from "@std/assert";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { ExtractError, extractLayer } from "../../../layer/mod.ts";
import "../../_support/native_backend.ts";
import { linuxTest } from "../../_support/skip.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { readTree } from "../../_support/tree.ts";

/** Waits for the next message of a worker. */
function nextMessage(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
}

linuxTest(
  "extractLayer() stays inside while its directories are swapped for links (CVE-2025-47290)",
  async () => {
    await using temp = await makeTempDir({ large: true });
    const [root, outside] = [temp.join("root"), temp.join("outside")];
    await Deno.mkdir(temp.join("root", "a", "b"), { recursive: true });
    await Deno.mkdir(temp.join("outside", "b"), { recursive: true });
    await Deno.writeTextFile(temp.join("outside", "b", "secret"), "do not touch");
    await Deno.symlink(outside, temp.join("link"));
    const before = readTree(outside);
    const layer = tar(
      ...Array.from({ length: 500 }, (_, i) => file(`a/b/${i}`, "x", { mode: 0o777, uid: 66 })),
      file("a/b/secret", "pwned"),
    );
    const worker = new Worker(new URL("./_swap_parent.ts", import.meta.url), { type: "module" });
    try {
      const running = nextMessage(worker);
      worker.postMessage({
        directory: temp.join("root", "a"),
        link: temp.join("link"),
        aside: temp.join("aside"),
        stop: temp.join("stop"),
      });
      await running;

      let failures = 0;
      for (let round = 0; round < 40; round++) {
        // A new tree each time, because an open tree keeps its directories open.
        using tree = openFileTree(root, { backend: "native" });
        try {
          await extractLayer(new Blob([layer]).stream(), tree, { ownership: "squash" });
        } catch (error) {
          assert(error instanceof ExtractError, String(error));
          failures++;
        }
        assertEquals(readTree(outside), before, "SOMETHING OUTSIDE THE ROOT WAS CHANGED");
      }

      const swapped = nextMessage(worker);
      await Deno.writeTextFile(temp.join("stop"), "");
      const swaps = await swapped;
      assert(typeof swaps === "number" && swaps > 100, `${swaps} swaps, ${failures} failures`);
    } finally {
      worker.terminate();
    }
  },
);
