import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { serveRegistry } from "../../../../registry/mod.ts";
import { ContentStore } from "../../../../store/mod.ts";
import { noise } from "../../../_support/bytes.ts";
import { buildImage } from "../../../_support/image.ts";
import { MemoryContent } from "../../../_support/memory_content.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../../_support/temp.ts";

const runOci = ociSession();

const FIRST = buildImage({ layers: [tar(file("a", noise(50_000, 1)))] });
const SECOND = buildImage({ layers: [tar(file("b", noise(50_000, 2)))] });

async function makeScene() {
  await using resources = new AsyncDisposableStack();
  const directory = resources.use(await makeTempDir());
  const content = new MemoryContent().add("app", "1", FIRST).add("app", "2", SECOND);
  const server = resources.use(await serveRegistry(content));
  const env = { OCI_STORE: directory.join("store") };
  const oci = (...args: readonly string[]) => runOci(args, { env });
  const kept = resources.move();
  return {
    oci,
    ref: (tag: string) => `${server.host}/app:${tag}`,
    store: () => ContentStore.open(directory.join("store")),
    blobs: async () => (await namesIn(directory.join("store/blobs/sha256"))).length,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

Deno.test("oci rm --prune frees what nothing else names", async () => {
  await using scene = await makeScene();
  await scene.oci("pull", "-q", "--platform=linux/amd64", scene.ref("1"), scene.ref("2"));

  const removed = await scene.oci("rm", "--prune", scene.ref("1"));

  assertEquals([removed.code, removed.stdout], [0, `${scene.ref("1")}\n`]);
  assertMatch(removed.stderr, /freed 5\d kB: 3 blobs/);
  assertEquals(await scene.blobs(), SECOND.blobs.size);
});

Deno.test("oci prune prints the space that it would free, and frees it", async () => {
  await using scene = await makeScene();
  await scene.oci("pull", "-q", "--platform=linux/amd64", scene.ref("1"));
  await scene.oci("rm", scene.ref("1"));

  const dry = await scene.oci("prune", "--dry-run");
  const done = await scene.oci("prune", "--json");
  const again = await scene.oci("prune");

  assertMatch(dry.stdout, /^would free 5\d kB: 3 blobs\n$/);
  const { freed, removed } = JSON.parse(done.stdout);
  assert(freed > 50_000);
  assertEquals(removed.length, 3);
  assertEquals(again.stdout, "freed 0 B\n");
});

Deno.test("oci prune refuses an age without a unit", async () => {
  const { code, stderr } = await runOci(["prune", "--older-than", "7"]);

  assertEquals(code, 2);
  assertMatch(stderr, /"7".*number with s, m, h, d or w/);
});

Deno.test("oci fsck finds damage, and repairs it from the registry", async () => {
  await using scene = await makeScene();
  await scene.oci("pull", "-q", "--platform=linux/amd64", scene.ref("1"));
  const [layer] = FIRST.layers;
  assert(layer !== undefined);
  await Deno.truncate((await scene.store()).blobPath(layer.descriptor.digest), 7);

  const found = await scene.oci("fsck");
  const repaired = await scene.oci("fsck", "--repair");
  const again = await scene.oci("fsck");

  assertEquals([found.code, repaired.code, again.code], [1, 0, 0]);
  assertMatch(found.stdout, /does not match its digest \(127\.0\.0\.1:\d+\/app:1\)\n/);
  assertMatch(found.stdout, /^checked 2 blobs, .*: 1 problem, 0 repaired\n$/m);
  assertEquals(found.stderr, 'oci: repair the store with "oci fsck --repair"\n');
  assertMatch(repaired.stdout, /; repaired\n/);
  assertEquals(repaired.stderr, "");
  assertMatch(again.stdout, /^checked 3 blobs, .*: no damage\n$/);
});

Deno.test("oci images, prune, fsck and rm note that the store of --store does not exist", async () => {
  await using directory = await makeTempDir();
  const store = directory.join("none");

  for (const args of [["images"], ["prune"], ["fsck"], ["rm", "alpine"]]) {
    const { stderr } = await runOci([...args, "--store", store]);

    assertStringIncludes(stderr, `oci: there is no store at "${store}"\n`);
  }

  await assertRejects(() => Deno.stat(store), Deno.errors.NotFound);
});
