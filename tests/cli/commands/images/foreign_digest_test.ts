import { assertEquals, assertStringIncludes } from "@std/assert";
import { MemoryRegistryContent, serveRegistry } from "../../../../registry/mod.ts";
import { type Digest, OCI_CONFIG, OCI_MANIFEST } from "../../../../spec/mod.ts";
import { buildImage, buildIndex, MemoryContent } from "../../../_support/image.ts";
import { runOci } from "../../../_support/process.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const FOREIGN: Digest = `blake3:${"ab".repeat(32)}`;
const ENTRY = { mediaType: OCI_MANIFEST, digest: FOREIGN, size: 5 };
const REFUSAL = `cannot verify ${FOREIGN}: the digest algorithm "blake3" is not supported`;

const BASE = tar(file("low", "1"));
const TOP = tar(file("top", "2"));
const IMAGE = buildImage({ layers: [BASE, TOP] });
const CONTENT = new MemoryContent()
  .add(
    "child",
    "1",
    buildIndex([IMAGE], {
      index: {
        manifests: [
          { ...ENTRY, platform: { os: "linux", architecture: "amd64" } },
          { ...ENTRY, platform: { os: "linux", architecture: "arm64" } },
          { ...IMAGE.descriptor, platform: IMAGE.platform },
          { ...ENTRY, mediaType: "text/plain" },
        ],
      },
    }),
  )
  .add("subject", "1", buildImage({ layers: [BASE], manifest: { subject: ENTRY } }))
  .add("layer", "1", buildImage({ layers: [{ tar: BASE, descriptor: { digest: FOREIGN } }, TOP] }))
  .add("diffid", "1", buildImage({ layers: [{ tar: BASE, diffId: FOREIGN }, TOP] }))
  .add("config", "1", buildImage({ manifest: { config: { ...ENTRY, mediaType: OCI_CONFIG } } }));

async function setUp() {
  const dir = await makeTempDir();
  const server = await serveRegistry(CONTENT);
  const env = { OCI_STORE: dir.join("store") };
  const oci = async (...args: string[]) => {
    const all = args.map((arg) => arg.replace(/^REG\//, `${server.host}/`));
    const { code, stdout, stderr } = await runOci([...all, "--quiet"], { env, cwd: dir.path });
    return { code, stdout, stderr };
  };
  return {
    dir,
    oci,
    succeed: async (...args: string[]) => {
      const { code, stdout, stderr } = await oci(...args);
      assertEquals({ code, stderr }, { code: 0, stderr: "" }, args.join(" "));
      return stdout;
    },
    refuse: async (...args: string[]) => {
      const { code, stderr } = await oci(...args);
      assertEquals(code, 1, args.join(" "));
      assertStringIncludes(stderr, REFUSAL);
      assertEquals(stderr.trimEnd().split("\n").length, 1);
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("an unsupported digest in an index only affects its own entry", async () => {
  await using box = await setUp();
  const { succeed, refuse } = box;

  assertStringIncludes(await succeed("inspect", "REG/child:1"), FOREIGN);
  await succeed("pull", "REG/child:1", "--platform=linux/amd64");
  assertEquals(await succeed("cat", "REG/child:1", "top", "--platform=linux/amd64"), "2");
  await succeed("copy", "REG/child:1", "oci:out:one", "--platform=linux/amd64");
  await succeed("copy", "REG/child:1", "oci:out:sparse", "--platform=linux/amd64", "--sparse");
  await succeed("save", "REG/child:1", "-o", "one.tar", "--platform=linux/amd64");
  assertStringIncludes(await succeed("images"), "1 of 3");
  assertStringIncludes(await succeed("fsck"), "no damage");
  await succeed("prune");
  await succeed("pull", "REG/child:1", "--platform=linux/amd64", "--policy=never");

  await refuse("pull", "REG/child:1", "--platform=linux/arm64");
  await refuse("pull", "REG/child:1", "--all-platforms");
  await refuse("copy", "REG/child:1", "oci:out:all");
});

Deno.test("an unsupported digest of a subject does not affect the image", async () => {
  await using box = await setUp();
  await using registry = await serveRegistry(new MemoryRegistryContent());
  const { succeed } = box;

  await succeed("pull", "REG/subject:1");
  await succeed("copy", "REG/subject:1", "oci:out:a", "--with-referrers");
  await succeed("copy", "oci:out:a", "oci:out:b", "--with-referrers");
  await succeed("push", "REG/subject:1", `${registry.host}/subject:1`);
  await succeed("copy", `${registry.host}/subject:1`, "oci:out:c", "--with-referrers");
});

Deno.test("an unsupported digest of a layer, DiffID or config is refused when it is read", async () => {
  await using box = await setUp();
  const { succeed, refuse } = box;

  assertStringIncludes(await succeed("inspect", "REG/layer:1"), FOREIGN);
  assertEquals(await succeed("cat", "REG/layer:1", "top"), "2");
  await refuse("pull", "REG/layer:1");
  await refuse("copy", "REG/layer:1", "oci:out:layer");
  await refuse("unpack", "REG/layer:1", "rootfs");

  await succeed("pull", "REG/diffid:1");
  assertEquals(await succeed("cat", "REG/diffid:1", "top"), "2");
  await refuse("unpack", "REG/diffid:1", "rootfs");
  await refuse("bundle", "REG/diffid:1", "bundle", "--bundler=uncompressed");

  assertStringIncludes(await succeed("inspect", "REG/config:1", "--raw"), FOREIGN);
  await refuse("pull", "REG/config:1");
  await refuse("copy", "REG/config:1", "oci:out:config");
  const names = await Array.fromAsync(Deno.readDir(box.dir.path), ({ name }) => name);
  assertEquals(names.sort(), [
    "out",
    "store",
  ]);
});

Deno.test("an unsupported digest in index.json does not affect other names", async () => {
  await using box = await setUp();
  const { succeed, oci, dir } = box;
  await succeed("pull", "REG/subject:1");
  const path = dir.join("store/index.json");
  const index = JSON.parse(await Deno.readTextFile(path));
  const annotations = { "org.opencontainers.image.ref.name": "docker.io/library/app:1" };
  index.manifests.push({ ...ENTRY, annotations }, { ...ENTRY, digest: "blake3:00" });
  await Deno.writeTextFile(path, JSON.stringify(index));
  await Deno.mkdir(dir.join("store/blobs/blake3"));
  await Deno.writeTextFile(dir.join("store/blobs/blake3", "ab".repeat(32)), "12345");

  await succeed("pull", "REG/subject:1", "--policy=never");
  assertStringIncludes(await succeed("images"), "docker.io/library/app:1");
  assertStringIncludes(await succeed("fsck", "--repair"), "no damage");
  await succeed("prune");
  assertStringIncludes((await oci("ls", "oci:store:docker.io/library/app:1")).stderr, "blake3");
  await succeed("rm", "app:1");

  assertEquals(JSON.parse(await Deno.readTextFile(path)).manifests.length, 2);
  assertEquals((await Deno.stat(dir.join("store/blobs/blake3", "ab".repeat(32)))).size, 5);
});
