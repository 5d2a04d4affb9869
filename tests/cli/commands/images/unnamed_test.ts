import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { buildImage } from "../../../_support/image.ts";
import { permissionsFor } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { dockerArchive } from "../../../store/archives/_archives.ts";

const runOci = ociSession();

const IMAGE = buildImage({
  layers: [tar(file("etc/name", "unnamed"))],
  config: { Cmd: ["/x"] },
  platform: "linux/amd64",
});

/** A store with an image without a name, and the digest that `oci load` prints for it. */
async function makeScene() {
  const dir = await makeTempDir();
  await Deno.writeFile(dir.join("image.tar"), dockerArchive({ image: IMAGE, tags: [] }));
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };
  const oci = (...args: string[]) => runOci(args, { cwd: dir.path, env });
  const { stdout } = await oci("load", "-q", "image.tar");
  return {
    dir,
    env,
    oci,
    printed: stdout.trim(),
    digest: stdout.trim().slice(1),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

const USES: readonly (readonly [args: readonly string[], stdout: RegExp])[] = [
  [["inspect", "REF"], /^Reference +@sha256:\w{64}\n/],
  [["inspect", "--json", "REF"], /"source": "store"/],
  [["ls", "REF", "/etc"], /etc\/name\n$/],
  [["unpack", "-q", "REF", "root"], /^sha256:\w+\n$/],
  [["export", "-q", "REF"], /etc\/name/],
  [["push", "-q", "REF", "oci:pushed:1"], /^oci:pushed:1@sha256:\w{64}\n$/],
  [["copy", "-q", "REF", "oci:copied:1"], /^oci:copied:1@sha256:\w{64}\n$/],
  [["bundle", "-q", "--bundler=uncompressed", "REF", "box"], /box\n$/],
];
Deno.test("oci accepts the digest of an unnamed image, which stays unnamed", async () => {
  await using scene = await makeScene();
  const before = await scene.oci("images", "--json");

  for (const [args, stdout] of USES) {
    const result = await scene.oci(...args.map((word) => word === "REF" ? scene.printed : word));
    assertEquals({ args, code: result.code, stderr: result.stderr }, { args, code: 0, stderr: "" });
    assertMatch(result.stdout, stdout);
  }

  assertEquals((await scene.oci("images", "--json")).stdout, before.stdout);
});

Deno.test("oci accepts a digest without the at sign, and the start of one", async () => {
  await using scene = await makeScene();
  const { printed, digest } = scene;

  for (const name of [digest, printed.slice(0, 20), digest.slice(0, 19)]) {
    const { stdout, stderr } = await scene.oci("cat", name, "/etc/name");
    assertEquals([stdout, stderr], ["unnamed", ""]);
  }
});

Deno.test("oci save invents no name for a digest", async () => {
  await using scene = await makeScene();

  await scene.oci("save", "-q", scene.printed, "-o", "again.tar");
  const again = await scene.oci("load", "-q", "again.tar");

  assertEquals(again.stdout.trim(), scene.printed);
});

Deno.test("oci explains a digest that the store lacks, and one where only a name is possible", async () => {
  await using scene = await makeScene();
  const { printed, digest } = scene;

  const unknown = await scene.oci("cat", "@sha256:000000", "/etc/name");
  const bare = await scene.oci("push", digest);
  const pulled = await scene.oci("pull", printed);

  assertEquals([unknown.code, bare.code, pulled.code], [1, 2, 2]);
  assertStringIncludes(unknown.stderr, 'cannot find "@sha256:000000" in the store');
  assertStringIncludes(bare.stderr, "does not name a registry. Specify DEST");
  assertStringIncludes(pulled.stderr, "the name is missing");
});

Deno.test("oci permissions suffices for a digest in the store", async () => {
  await using scene = await makeScene();
  const { dir, env, printed } = scene;
  const target = `oci:${dir.join("layout")}:1`;

  for (const args of [["cat", printed, "/etc/name"], ["copy", "-q", printed, target]]) {
    const permissions = await permissionsFor(runOci, args, { cwd: dir.path, env });
    assert(permissions.every((flag) => !flag.startsWith("--allow-net")), permissions.join(" "));
    const result = await runOci(args, { cwd: dir.path, env, permissions });
    assertEquals([result.code, result.stderr], [0, ""]);
  }
});
