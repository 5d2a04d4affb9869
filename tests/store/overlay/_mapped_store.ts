import type { IdRange } from "../../../layer/mod.ts";
import type { BundlerOptions, Image } from "../../../store/mod.ts";
import { idMapReason } from "../../_support/mounting.ts";
import { type TestFunction, testUnless } from "../../_support/skip.ts";
import { dir, file, symlink, tar } from "../../_support/tar.ts";
import { makeStore, type TestStore } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

/** Registers a test that mounts layers with mapped owners. */
export const mappedTest: TestFunction = testUnless(await idMapReason());

export const UIDS: readonly IdRange[] = [{ containerId: 0, hostId: 100_000, size: 2000 }];
export const GIDS: readonly IdRange[] = [{ containerId: 0, hostId: 200_000, size: 2000 }];
export const MAPS: Pick<BundlerOptions, "uidMap" | "gidMap"> = { uidMap: UIDS, gidMap: GIDS };

const LAYERS = [
  tar(
    dir("", { uid: 3, gid: 4, mode: 0o711 }),
    file("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
    file("bin/su", "x", { mode: 0o4755 }),
    symlink("bin/link", "/etc/passwd"),
  ),
  tar(file("home/app/file", "x", { uid: 1000, gid: 44 })),
];

/** Makes an empty store in a directory that every user may enter. */
export async function makeOpenStore(): Promise<TestStore> {
  const test = await makeStore();
  await Deno.chmod(test.directory.path, 0o755);
  return test;
}

/** Stores an image whose files have several owners. */
export async function storeImage(test: TestStore): Promise<Image> {
  const config = { WorkingDir: "/work/here", Volumes: { "/data": {}, "/home/app": {} } };
  return await storeBuilt(test.store, { layers: LAYERS, config: { Cmd: ["/bin/su"], ...config } });
}
