import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { MemoryRegistryContent, serveRegistry } from "../../../../registry/mod.ts";
import { type Digest, OCI_CONFIG, OCI_MANIFEST } from "../../../../spec/mod.ts";
import { buildImage, buildIndex, MemoryContent } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../../_support/temp.ts";

const runOci = ociSession();

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

/** A command line and its output. */
interface Step {
  readonly args: readonly string[];
  /** Pattern of standard output. */
  readonly prints?: RegExp;
  /** Part of the error of a command that fails. */
  readonly says?: string;
}

async function setUp() {
  const dir = await makeTempDir();
  const server = await serveRegistry(CONTENT);
  const env = { OCI_STORE: dir.join("store") };
  return {
    dir,
    /** Runs command lines one after another, and checks their results. */
    play: async (...steps: readonly Step[]) => {
      for (const { args, prints = /^/, says } of steps) {
        const { code, stdout, stderr } = await runOci(
          [...args.map((arg) => arg.replace(/^REG\//, `${server.host}/`)), "--quiet"],
          { env, cwd: dir.path },
        );
        assertEquals({ args, code }, { args, code: says === undefined ? 0 : 1 }, stderr);
        assertMatch(stdout, prints);
        assertStringIncludes(stderr, says ?? "");
        assertEquals(stderr.split("\n").length, says === undefined ? 1 : 2, stderr);
      }
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("an unsupported digest in an index only affects its own entry", async () => {
  await using box = await setUp();

  await box.play(
    { args: ["inspect", "REG/child:1"], prints: RegExp(FOREIGN) },
    { args: ["pull", "REG/child:1", "--platform=linux/amd64"] },
    { args: ["cat", "REG/child:1", "top", "--platform=linux/amd64"], prints: /^2$/ },
    { args: ["copy", "REG/child:1", "oci:out:one", "--platform=linux/amd64"] },
    { args: ["copy", "REG/child:1", "oci:out:sparse", "--platform=linux/amd64", "--sparse"] },
    { args: ["save", "REG/child:1", "-o", "one.tar", "--platform=linux/amd64"] },
    { args: ["images"], prints: /1 of 3/ },
    { args: ["fsck"], prints: /no damage/ },
    { args: ["prune"] },
    { args: ["pull", "REG/child:1", "--platform=linux/amd64", "--policy=never"] },
    { args: ["pull", "REG/child:1", "--platform=linux/arm64"], says: REFUSAL },
    { args: ["pull", "REG/child:1", "--all-platforms"], says: REFUSAL },
    { args: ["copy", "REG/child:1", "oci:out:all"], says: REFUSAL },
  );
});

Deno.test("an unsupported digest of a subject does not affect the image", async () => {
  await using box = await setUp();
  await using registry = await serveRegistry(new MemoryRegistryContent());

  await box.play(
    { args: ["pull", "REG/subject:1"] },
    { args: ["copy", "REG/subject:1", "oci:out:a", "--with-referrers"] },
    { args: ["copy", "oci:out:a", "oci:out:b", "--with-referrers"] },
    { args: ["push", "REG/subject:1", `${registry.host}/subject:1`] },
    { args: ["copy", `${registry.host}/subject:1`, "oci:out:c", "--with-referrers"] },
  );
});

Deno.test("an unsupported digest of a layer, DiffID or config is refused when it is read", async () => {
  await using box = await setUp();

  await box.play(
    { args: ["inspect", "REG/layer:1"], prints: RegExp(FOREIGN) },
    { args: ["cat", "REG/layer:1", "top"], prints: /^2$/ },
    { args: ["pull", "REG/layer:1"], says: REFUSAL },
    { args: ["copy", "REG/layer:1", "oci:out:layer"], says: REFUSAL },
    { args: ["unpack", "REG/layer:1", "rootfs"], says: REFUSAL },
    { args: ["pull", "REG/diffid:1"] },
    { args: ["cat", "REG/diffid:1", "top"], prints: /^2$/ },
    { args: ["unpack", "REG/diffid:1", "rootfs"], says: REFUSAL },
    { args: ["bundle", "REG/diffid:1", "bundle", "--bundler=uncompressed"], says: REFUSAL },
    { args: ["inspect", "REG/config:1", "--raw"], prints: RegExp(FOREIGN) },
    { args: ["pull", "REG/config:1"], says: REFUSAL },
    { args: ["copy", "REG/config:1", "oci:out:config"], says: REFUSAL },
  );
  assertEquals(await namesIn(box.dir.path), ["store"]);
});

Deno.test("an unsupported digest in index.json does not affect other names", async () => {
  await using box = await setUp();
  const { dir } = box;
  await box.play(
    { args: ["pull", "REG/subject:1"] },
  );
  const path = dir.join("store/index.json");
  const index = JSON.parse(await Deno.readTextFile(path));
  const annotations = { "org.opencontainers.image.ref.name": "docker.io/library/app:1" };
  index.manifests.push({ ...ENTRY, annotations }, { ...ENTRY, digest: "blake3:00" });
  await Deno.writeTextFile(path, JSON.stringify(index));
  await Deno.mkdir(dir.join("store/blobs/blake3"));
  await Deno.writeTextFile(dir.join("store/blobs/blake3", "ab".repeat(32)), "12345");

  await box.play(
    { args: ["pull", "REG/subject:1", "--policy=never"] },
    { args: ["images"], prints: /docker\.io\/library\/app:1/ },
    { args: ["fsck", "--repair"], prints: /no damage/ },
    { args: ["prune"] },
    { args: ["ls", "oci:store:docker.io/library/app:1"], says: "blake3" },
    { args: ["rm", "app:1"] },
  );

  assertEquals(JSON.parse(await Deno.readTextFile(path)).manifests.length, 2);
  assertEquals((await Deno.stat(dir.join("store/blobs/blake3", "ab".repeat(32)))).size, 5);
});
