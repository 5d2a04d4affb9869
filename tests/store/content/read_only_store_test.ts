import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { pull } from "../../../mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { buildImage } from "../../_support/image.ts";
import { peerTest, runPeer, writeLayout } from "../../_support/peers.ts";
import { ROOT, run } from "../../_support/process.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const READ_ONLY =
  'mount --bind "$STORE" "$STORE" && mount -o remount,bind,ro "$STORE" && exec "$@"';

peerTest({
  name: "unpack() and a dry prune() read a used store on a read-only file system",
  needs: ["unshare", "mount"],
  root: true,
}, async () => {
  await using temp = await makeTempDir();
  const image = buildImage({ layers: [tar(file("etc/motd", "hello"))] });
  await writeLayout(temp.join("layout"), { v1: image });
  const store = temp.join("store");
  // The pull creates the directories that a writable store uses for its locks.
  await pull(`oci:${temp.join("layout")}:v1`, { store, platform: "linux/amd64" });
  const unnamed = randomBlob(123);
  await (await ContentStore.open(store)).putBytes(unnamed.descriptor, unnamed.bytes);
  // A killed command has left its hold.
  await Deno.writeTextFile(`${store}/locks/holds/${crypto.randomUUID()}`, "");
  const script = fromFileUrl(new URL("_use_read_only.ts", import.meta.url));

  const { stdout } = await runPeer("unshare", [
    ...["-m", "sh", "-c", READ_ONLY, "sh"],
    ...[Deno.execPath(), "run", "-A", "--no-check", `--config=${ROOT}/deno.json`, script],
    ...[store, "localhost/layout:v1"],
  ], { inheritEnv: true, env: { STORE: store } });

  assertEquals(JSON.parse(stdout), ["hello", "hello", "hello", ["blob 123"]]);
});

peerTest({
  name: "a store that cannot be made on a read-only file system needs another place",
  needs: ["unshare", "mount"],
  root: true,
}, async () => {
  await using temp = await makeTempDir();
  await writeLayout(temp.join("layout"), { v1: buildImage({ layers: [] }) });
  const oci = [Deno.execPath(), "run", "-A", "--quiet", `--config=${ROOT}/deno.json`]
    .concat(join(ROOT, "mod.ts"), "pull", `oci:${temp.join("layout")}:v1`);

  const { code, stderr } = await run("unshare", ["-m", "sh", "-c", READ_ONLY, "sh", ...oci], {
    inheritEnv: true,
    env: { STORE: temp.path, OCI_STORE: temp.join("store") },
  });

  assertEquals(code, 1);
  const problem = `cannot create the directory "${
    temp.join("store")
  }": the file system is read-only`;
  assertStringIncludes(stderr, `${problem}. Choose a directory on another file system\n`);
});
