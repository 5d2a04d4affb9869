import { assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { BundleDirectory } from "../../store/_bundle_directory.ts";
import type { BundleState } from "../../store/_bundle_state.ts";
import { peerTest } from "../_support/peers.ts";
import { run } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";

peerTest({
  name: "BundleDirectory.claim() leaves nothing where the disk is full",
  needs: ["mount", "umount"],
  root: true,
}, async () => {
  await using temp = await makeTempDir();
  const disk = temp.join("disk");
  await Deno.mkdir(disk);
  const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=4k", "none", disk]);
  assertEquals(mounted.code, 0, mounted.stderr);
  try {
    await Deno.writeFile(`${disk}/all`, new Uint8Array(4096));
    await Deno.mkdir(`${disk}/lent`);
    const state = { ociBundle: 1, kind: "uncompressed", store: disk } as unknown as BundleState;

    for (const name of ["new", "lent"]) {
      const error = await assertRejects(
        () => BundleDirectory.claim(`${disk}/${name}`, state),
        Error,
      );
      assertEquals((error as { code?: unknown }).code, "ENOSPC");
    }

    assertEquals(await exists(`${disk}/new`), false);
    assertEquals(await Array.fromAsync(Deno.readDir(`${disk}/lent`)), []);
  } finally {
    await run("umount", [disk]);
  }
});
