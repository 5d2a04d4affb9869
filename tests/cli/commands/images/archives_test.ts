import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serveRegistry } from "../../../../registry/mod.ts";
import { ContentStore } from "../../../../store/mod.ts";
import { concat, noise } from "../../../_support/bytes.ts";
import { buildImage, buildIndex, MemoryContent } from "../../../_support/image.ts";
import { assertGranted } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { kill, type RunOciOptions } from "../../../_support/process.ts";
import { dir as directory, file, gzip, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { dockerArchive, IMAGE, ociArchive } from "../../../store/archives/_archives.ts";

const runOci = ociSession();

const ARM = buildImage({ layers: [tar(file("arm", "64"))], platform: "linux/arm64" });
const DIGEST = IMAGE.descriptor.digest;

/** A directory with an archive of each kind, and a store. */
async function makeScene() {
  const dir = await makeTempDir();
  await Deno.writeFile(dir.join("oci.tar"), ociArchive(IMAGE, "h.io/a:1"));
  await Deno.writeFile(
    dir.join("docker.tar.gz"),
    gzip(dockerArchive({ image: IMAGE, tags: ["b:1"] }, { image: ARM, tags: ["c:1"] })),
  );
  await Deno.writeFile(
    dir.join("tags.tar"),
    dockerArchive({ image: IMAGE, tags: ["b:1", "b:2"] }, { image: ARM, tags: [] }),
  );
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };
  return {
    dir,
    env,
    cwd: dir.path,
    oci: (args: readonly string[], options: RunOciOptions = {}) => {
      return runOci(args, { cwd: dir.path, env, ...options });
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("oci load and save print their results", async () => {
  await using scene = await makeScene();
  const { oci, dir } = scene;

  const load = await oci(["load", "docker.tar.gz"]);
  const json = await oci(["load", "-q", "--json", "oci.tar"]);
  const save = await oci(["save", "-q", "h.io/a:1", "b:1", "-o", "out.tar"]);
  const stdout = await oci(["save", "-q", "h.io/a:1", "b:1", "-o", "-"]);
  const stdin = await oci(["load", "-"], { stdin: stdout.stdoutBytes });
  const saved = await oci(["save", "-q", "--json", "h.io/a:1", "--output=x.tar"]);

  assertEquals(load.code, 0, load.stderr);
  assertMatch(
    load.stdout,
    /^docker\.io\/library\/b:1@sha256:\w{64}\ndocker\.io\/library\/c:1@sha256:\w{64}\n$/,
  );
  const { mediaType } = IMAGE.descriptor;
  const document = [{ reference: "h.io/a:1", digest: DIGEST, mediaType }];
  assertEquals([JSON.parse(json.stdout), json.stderr], [document, ""]);
  assertEquals([save.code, save.stdout, save.stderr], [0, "", ""]);
  assertEquals(stdout.stdoutBytes, await Deno.readFile(dir.join("out.tar")));
  assertEquals(stdin.stdout.split("\n")[0], `h.io/a:1@${DIGEST}`);
  assertEquals([JSON.parse(saved.stdout), saved.stderr], [document, ""]);
});

Deno.test.each([
  { args: ["ls", "oci-archive:oci.tar"], stdout: /^b\netc\netc\/name\n$/ },
  { args: ["ls", "docker-archive:docker.tar.gz:b:1", "/etc"], stdout: /name/ },
  { args: ["cat", "oci-archive:oci.tar:h.io/a:1", "/etc/name"], stdout: /^a$/ },
  { args: ["inspect", "--raw", "oci-archive:oci.tar"], stdout: /^{"schemaVersion":2/ },
  {
    args: ["inspect", "--platform=linux/arm64", "docker-archive:docker.tar.gz:c:1"],
    stdout: /linux\/arm64/,
  },
  {
    args: ["inspect", "--platform=linux/arm64", "docker-archive:tags.tar:@1"],
    stdout: /linux\/arm64/,
  },
  { args: ["pull", "-q", "oci-archive:oci.tar"], stdout: /^h\.io\/a:1@sha256:\w{64}\n$/ },
  { args: ["pull", "-q", "--all-platforms", "oci-archive:oci.tar"], stdout: /^h\.io\/a:1@/ },
  { args: ["unpack", "-q", "docker-archive:docker.tar.gz:b:1", "root"], stdout: /^sha256:\w+\n$/ },
  { args: ["export", "-q", "oci-archive:oci.tar"], stdout: /etc\/name/ },
  { args: ["save", "-q", "oci-archive:oci.tar", "-o", "again.tar"], stdout: /^$/ },
  {
    args: ["bundle", "-q", "--bundler=uncompressed", "--arg=x", "oci-archive:oci.tar", "box"],
    stdout: /box\n$/,
  },
])("oci accepts an archive as a reference: $args", async ({ args, stdout }) => {
  await using scene = await makeScene();

  const result = await scene.oci(args);

  assertEquals([result.code, result.stderr], [0, ""]);
  assertMatch(result.stdout, stdout);
});

Deno.test("oci load --limit accepts an archive with a high compression ratio", async () => {
  await using scene = await makeScene();
  const { oci, dir } = scene;
  const zeros = file("zeros", new Uint8Array(70 * 1024 * 1024));
  const archive = concat(zeros, ociArchive(IMAGE, "h.io/a:1"));
  await Deno.writeFile(dir.join("zeros.tar.gz"), gzip(archive));

  const refused = await oci(["load", "-q", "zeros.tar.gz"]);
  const unused = await oci(["load", "-q", "--limit", "maxBytes=1Gi", "zeros.tar.gz"]);
  const loaded = await oci(["load", "-q", "--limit", "maxRatio=1100", "zeros.tar.gz"]);
  const listed = await oci(["ls", "--limit", "maxRatio=1100", "oci-archive:zeros.tar.gz"]);

  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /raise the limit with --limit maxRatio=1100\n$/);
  assertEquals(unused.code, 2);
  assertMatch(unused.stderr, /with one of the names maxRatio, maxWindow/);
  assertEquals([loaded.code, loaded.stdout], [0, `h.io/a:1@${DIGEST}\n`]);
  assertEquals(listed.code, 0, listed.stderr);
});

Deno.test("oci reads an archive from stdin only once", async () => {
  await using scene = await makeScene();
  const stdin = await Deno.readFile(scene.dir.join("docker.tar.gz"));

  const cat = await scene.oci(["cat", "docker-archive:-:b:1", "/etc/name"], { stdin });
  const pull = await scene.oci(["pull", "-q", "--all-platforms", "docker-archive:-:b:1"], {
    stdin,
  });

  assertEquals([cat.code, cat.stdout, cat.stderr], [0, "a", ""]);
  assertEquals([pull.code, pull.stderr], [0, ""]);
});

const FAILURES = [
  {
    args: ["load", "none.tar"],
    says: 'cannot read the archive "none.tar": there is no such file. Check the path\n',
  },
  { args: ["load", "."], says: "it is a directory, but not an OCI layout" },
  {
    args: ["load", "text"],
    says: "it is neither a tar archive nor one compressed with gzip or zstd. Choose a file",
  },
  { args: ["pull", "oci-archive:docker.tar.gz"], says: "it has no index.json" },
  {
    args: ["ls", "docker-archive:docker.tar.gz"],
    says: "it has several images: docker.io/library/b",
  },
  {
    args: ["ls", "docker-archive:tags.tar"],
    says: "docker.io/library/b:1, @1. Append a colon and one of the names to the path\n",
  },
  {
    args: ["copy", "docker-archive:docker.tar.gz", "oci:layout"],
    says: "Write one of the names after the file and a colon",
  },
  { args: ["ls", "oci-archive:oci.tar:v9"], says: 'it does not have "v9", only h.io/a:1' },
  { args: ["save", "h.io/none:1", "--policy=never", "-o", "x.tar"], says: "is not in the store" },
  {
    args: ["save", "127.0.0.1:1/never-asked:1", "-o", "none/x.tar"],
    says: 'cannot write "none/x.tar": its directory does not exist. Create the directory first',
  },
  {
    args: ["save", "127.0.0.1:1/never-asked:1", "-o", "."],
    says: 'cannot write ".": it is a directory. Choose a file in it',
  },
].map(({ args, says }) => ({ args: ["-q", ...args], says }));

Deno.test.each(FAILURES)("oci reports $args in one line", async ({ args, says }) => {
  await using scene = await makeScene();
  await Deno.writeTextFile(scene.dir.join("text"), "hello\n".repeat(500));

  const { code, stdout, stderr } = await scene.oci(args);

  assertEquals([code, stdout], [1, ""]);
  assert(stderr.includes(says), stderr);
  assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
  const left = (await names(scene.dir.path)).filter((name) => /x\.tar|\.oci-/.test(name));
  assertEquals(left, []);
});

Deno.test("oci save requires an output file", async () => {
  const { code, stderr } = await runOci(["save", "a"]);

  assertEquals(code, 2);
  assertMatch(stderr, /the output file is missing\. Specify "--output FILE", or "-" for stdout/);
});

Deno.test("oci save pulls a missing image, and names the platforms that it leaves out", async () => {
  await using scene = await makeScene();
  const index = buildIndex([IMAGE, ARM]);
  await using server = await serveRegistry(new MemoryContent().add("app", "1", index));
  const ref = `${server.host}/app:1`;

  const { code, stderr } = await scene.oci(
    ["save", "--progress=none", "--platform=linux/amd64", ref, "-o", "a.tar"],
  );
  const load = await scene.oci(["load", "a.tar", "--store", "other"]);

  assertEquals([code, stderr], [
    0,
    `oci: saved only the manifest ${DIGEST} of the multi-platform image ${ref}\n`,
  ]);
  assertEquals(load.stdout, `${ref}@${DIGEST}\n`);
});

Deno.test("oci save warns and says how to save all platforms if the store has only some", async () => {
  await using scene = await makeScene();
  const index = buildIndex([IMAGE, ARM]);
  await using server = await serveRegistry(new MemoryContent().add("app", "1", index));
  const ref = `${server.host}/app:1`;
  await scene.oci(["pull", "-q", "--platform=linux/arm64", ref]);

  const { code, stderr } = await scene.oci(["save", "--quiet", ref, "-o", "a.tar"]);

  assertEquals(code, 0);
  assertStringIncludes(stderr, ": the store lacks the rest; to save all of it, ");
});

Deno.test("oci permissions suffices for save, load and archives", async () => {
  await using scene = await makeScene();
  const { oci, dir } = scene;

  const results = await assertGranted(oci, [
    ["load", "-q", "oci.tar"],
    ["load", "-q", "docker.tar.gz"],
    ["save", "-q", "h.io/a:1", "--policy=never", "-o", "out.tar"],
    ["save", "-q", "h.io/a:1", "--policy=never", "-o", "-"],
    ["save", "-q", "h.io/a:1", "--policy=never", "--format=oci-dir", "-o", "layout"],
    ["inspect", "docker-archive:docker.tar.gz:b:1"],
    ["unpack", "-q", "oci-archive:oci.tar", "root"],
  ]);

  assertEquals(results.map(({ stderr }) => stderr).join(""), "");
  assert((await names(dir.join("layout"))).includes("index.json"));
});

const LARGE = buildImage({
  layers: [1, 2, 3, 4].map((seed) =>
    tar(directory("d"), file(`d/${seed}`, noise(2_000_000, seed)))
  ),
  compression: "none",
  platform: "linux/amd64",
});

Deno.test.each([0, 120].map((pause) => ({ pause })))(
  "oci save and load that are killed after $pause ms leave no partial result",
  async ({ pause }) => {
    await using scene = await makeScene();
    const { oci, dir } = scene;
    await Deno.writeFile(dir.join("large.tar.gz"), gzip(ociArchive(LARGE, "h.io/large:1")));
    const onStart = (child: Deno.ChildProcess) => {
      // By 250 ms, it has read its modules.
      const timer = setTimeout(() => kill(child, "SIGKILL"), 250 + pause);
      child.status.then(() => clearTimeout(timer));
    };

    await oci(["load", "large.tar.gz"], { onStart });
    const store = await ContentStore.open(dir.join("store"));
    for (const { descriptor } of await store.references()) {
      assert(await store.verify(descriptor));
      for (const { descriptor } of LARGE.blobs.values()) assert(await store.verify(descriptor));
    }
    await oci(["load", "large.tar.gz"]);
    await oci(["save", "-q", "--policy=never", "h.io/large:1", "-o", "out.tar"], { onStart });
    const isThere = (await names(dir.path)).includes("out.tar");
    if (isThere) assertEquals((await oci(["load", "--store", "other", "out.tar"])).code, 0);
    const again = await oci(["save", "-q", "--policy=never", "h.io/large:1", "-o", "out.tar"]);

    assertEquals([again.code, again.stderr], [0, ""]);
    const spooled = (await names(dir.join("store/ingest"))).filter((name) =>
      name.startsWith("archive-")
    );
    assertEquals(spooled, []);
  },
);

async function names(path: string): Promise<readonly string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
