import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import { idMapSupported, removeDeadBundles } from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { makeOpenStore, mappedTest, storeImage } from "./_mapped_store.ts";

const KILLED_CHILD = fromFileUrl(new URL("./_killed_child.ts", import.meta.url));

mappedTest.each([
  { name: "a killed process", ownMount: false },
  { name: "a killed process whose layers have their own file system", ownMount: true },
])("a mount left behind by $name is removed", async ({ ownMount }) => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  await idMapSupported(test.path);
  const chains = `${test.path}/chains`;
  if (ownMount) {
    await Deno.mkdir(chains);
    mountTmpfs(chains);
    await Deno.chmod(chains, 0o700);
  }
  const before = test.mounts();

  const { code } = await run(Deno.execPath(), [
    ...["run", "-A", "--quiet", `--config=${ROOT}/deno.json`, KILLED_CHILD],
    ...[test.path, image.digest],
  ], { env: await denoEnvironment() });

  assertEquals([code, before], [137, ownMount ? [chains] : []]);
  const left = `${test.path}/containers/web`;
  assertEquals(test.mounts(), [...before, `${left}/scratch`, `${left}/lowers/mapped`]);
  // Until the bundle is complete, only root may enter it.
  assertEquals(((await Deno.lstat(left)).mode ?? 0) & 0o7777, 0o700);
  const { removed } = await removeDeadBundles(test.path);
  assertEquals(removed, [left]);
  assertEquals([test.mounts(), await test.list("containers")], [before, []]);
});
