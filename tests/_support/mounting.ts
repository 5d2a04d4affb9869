import { mountTmpfs } from "../../layer/linux/native_mount.ts";
import { idMapSupported } from "../../store/overlay/supported.ts";
import { type TestFunction, testUnless } from "./skip.ts";
import { makeTempDir } from "./temp.ts";
import { unmountTree } from "./unmount_tree.ts";

/** Registers a test that mounts file systems, which even root may not do in some containers. */
export const mountTest: TestFunction = testUnless(
  await canMount() ? undefined : "cannot mount file systems",
);

/** Reason why overlays cannot be mounted with mapped owners here, if any. */
export async function idMapReason(): Promise<string | undefined> {
  await using root = await makeTempDir({ large: true });
  const support = await idMapSupported(root.path);
  return support.supported ? undefined : support.reason;
}

/** Mounts a file system of a limited size on a directory, until the result is disposed of. */
export function mountSmallDisk(path: string, sizeBytes: number): Disposable {
  Deno.mkdirSync(path, { recursive: true });
  mountTmpfs(path, { sizeBytes });
  return { [Symbol.dispose]: () => unmountTree(path) };
}

async function canMount(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  await using directory = await makeTempDir();
  try {
    mountTmpfs(directory.path);
  } catch {
    return false;
  }
  unmountTree(directory.path);
  return true;
}
