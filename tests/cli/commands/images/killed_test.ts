import { assert, assertEquals } from "@std/assert";
import { parseManifest } from "../../../../spec/mod.ts";
import { ContentStore } from "../../../../store/mod.ts";
import { noise } from "../../../_support/bytes.ts";
import { buildImage, type BuiltImage, putBlobs } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { kill } from "../../../_support/process.ts";
import { linuxTest } from "../../../_support/skip.ts";
import { makeTempDir, namesIn } from "../../../_support/temp.ts";
import { writableRegistry } from "../../../_support/writable_registry.ts";
import { ociArchive } from "../../../store/archives/_archives.ts";

const runOci = ociSession();

/** Number of moments between the first byte and the end of the process. */
const POINTS = 4;

const LARGE: BuiltImage = buildImage({
  layers: [1, 2, 3].map((i) => noise(i * 3_000_000, i)),
  compression: "none",
  platform: "linux/amd64",
});
const NAME = "h.io/large:1";
const TOTAL = LARGE.blobs.values().reduce((sum, { bytes }) => sum + bytes.length, 0);

/** Shares of the bytes after which the process is killed, and some time after the last byte. */
const WHEN = Array.from({ length: POINTS }, (_, i) => {
  const share = Math.min(1, i / (POINTS * 0.7));
  return { share, pause: share < 1 ? 0 : 2 ** (i % 5) };
}).map((when) => ({ ...when, at: `${Math.round(100 * when.share)} % and ${when.pause} ms` }));

linuxTest.each(WHEN)("oci save that is killed at $at leaves no partial file", async (when) => {
  await using directory = await makeScene();
  const save = (onStart?: (child: Deno.ChildProcess) => void) =>
    oci(directory.path, ["save", "-q", "--policy=never", NAME, "-o", "out/x.tar"], onStart);
  await Deno.mkdir(directory.join("out"));
  await Deno.writeTextFile(directory.join("out/.oci-save-mine"), "mine");
  using watcher = Deno.watchFs(directory.join("out"));

  await save((child) => void killAtSize(child, watcher, when));
  const isThere = (await namesIn(directory.join("out"))).includes("x.tar");
  if (isThere) await checkArchive(directory.path);
  const again = await save();

  assertEquals([again.code, again.stderr], [0, ""]);
  await checkArchive(directory.path);
  assertEquals(await namesIn(directory.join("out")), [".oci-save-mine", "x.tar"]);
  assertEquals(await Deno.readTextFile(directory.join("out/.oci-save-mine")), "mine");
});

linuxTest.each(WHEN)(
  "oci load that is killed at $at leaves no name without blobs",
  async (when) => {
    await using directory = await makeTempDir();
    await Deno.writeFile(directory.join("large.tar"), ociArchive(LARGE, NAME));
    await Deno.mkdir(directory.join("store/ingest"), { recursive: true });
    const load = (onStart?: (child: Deno.ChildProcess) => void) =>
      oci(directory.path, ["load", "-q", "large.tar"], onStart);
    using watcher = Deno.watchFs(directory.join("store"));

    await load((child) => void killAtSize(child, watcher, when));
    await checkStore(directory.join("store"));
    const again = await load();

    assertEquals([again.code, again.stderr], [0, ""]);
    assertEquals(await checkStore(directory.join("store")), 1);
    assertEquals(await namesIn(directory.join("store/ingest")), []);
  },
);

Deno.test.each(WHEN)("oci push that is killed at $at leaves no tag without blobs", async (when) => {
  await using directory = await makeScene();
  let count = 0;
  let onEnough = () => {};
  await using registry = writableRegistry({
    interfere: (request, next) => {
      if (request.body === null) return next();
      const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          count += chunk.length;
          controller.enqueue(chunk);
          if (count >= TOTAL * when.share) setTimeout(onEnough, when.pause);
        },
      });
      const { method, headers } = request;
      return next(
        new Request(request.url, { method, headers, body: request.body.pipeThrough(counter) }),
      );
    },
  });
  const push = (onStart?: (child: Deno.ChildProcess) => void) =>
    oci(directory.path, ["push", "-q", NAME, `${registry.host}/a/b:1`], onStart);
  const check = async () => {
    const manifest = await registry.content.resolve("a/b", "1");
    if (manifest === undefined) return false;
    assertEquals(manifest.digest, LARGE.descriptor.digest);
    for (const { descriptor } of [LARGE.config, ...LARGE.layers]) {
      assertEquals(await registry.content.size("a/b", descriptor.digest), descriptor.size);
    }
    return true;
  };

  await push((child) => onEnough = () => kill(child, "SIGKILL"));
  await check();
  onEnough = () => {};
  const again = await push();

  assertEquals([again.code, again.stderr], [0, ""]);
  assert(await check());
});

/** A directory with a store that has the image. */
async function makeScene() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await makeTempDir());
  const store = await ContentStore.open(directory.join("store"));
  await putBlobs(store, LARGE);
  await store.tag(NAME, LARGE.descriptor);
  stack.move();
  return directory;
}

async function oci(
  cwd: string,
  args: readonly string[],
  onStart?: (child: Deno.ChildProcess) => void,
) {
  const env = { HOME: cwd, OCI_STORE: `${cwd}/store` };
  return await runOci(args, { cwd, env, onStart });
}

/** Kills a process once the files below a directory have a share of the image's bytes. */
async function killAtSize(
  child: Deno.ChildProcess,
  watcher: Deno.FsWatcher,
  { share, pause }: { share: number; pause: number },
): Promise<void> {
  const sizes = new Map<string, number>();
  for await (const { paths } of watcher) {
    for (const path of paths) {
      const size = await sizeOf(path);
      if (size > 0) sizes.set(path.replace(/.*\//, ""), size);
    }
    const sum = sizes.values().reduce((sum, size) => sum + size, 0);
    if (sum < Math.max(1, TOTAL * share)) continue;
    setTimeout(() => kill(child, "SIGKILL"), pause);
    return;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    const { isFile, size } = await Deno.lstat(path);
    return isFile ? size : 0;
  } catch {
    // It has just been renamed.
    return 0;
  }
}

async function checkArchive(directory: string): Promise<void> {
  const { stdout } = await oci(directory, ["load", "--store", "other", "out/x.tar"]);
  assertEquals(stdout, `${NAME}@${LARGE.descriptor.digest}\n`);
}

/** Checks that all content of each name exists, and returns the number of names. */
async function checkStore(path: string): Promise<number> {
  const store = await ContentStore.open(path);
  const references = await store.references();
  for (const { descriptor } of references) {
    const bytes = await store.readBlob(descriptor);
    assert(bytes !== undefined);
    const { kind, value } = parseManifest(bytes);
    assert(kind === "manifest");
    for (const blob of [value.config, ...value.layers]) assert(await store.verify(blob));
  }
  return references.length;
}
