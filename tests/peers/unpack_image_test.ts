import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { serveRegistry } from "../../registry/mod.ts";
import { buildImage, MemoryContent } from "../_support/image.ts";
import "../_support/native_backend.ts";
import {
  DEBIAN_IMAGE_NEEDS,
  debianImage,
  peerTest,
  runPeer,
  writeLayout,
} from "../_support/peers.ts";
import { run, runOci } from "../_support/process.ts";
import { device, dir, file, hardlink, symlink, tar, whiteout } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { readTree } from "../_support/tree.ts";
import { installForUser } from "../_support/user_install.ts";
import {
  assertLayersAsUmoci,
  assertSameTree,
  assertUnpackAsUmoci,
  BACKENDS,
  readUmociTree,
} from "./_umoci_tree.ts";

/** Many small files, which a second layer changes here and there. */
function smallFiles(count: number): readonly Uint8Array[] {
  const name = (i: number) => `d${i % 97}/file-${i}.txt`;
  const directories = Array.from({ length: 97 }, (_, i) => dir(`d${i}`, { mtime: i }));
  const files = Array.from({ length: count }, (_, i) => file(name(i), `${i} `.repeat(i % 50)));
  const changes = Array.from({ length: 50 }, (_, i) => {
    return i % 2 === 0 ? file(name(i * 7), "changed") : whiteout(name(i * 7));
  });
  return [tar(dir("."), ...directories, ...files), tar(...changes)];
}

peerTest({
  name: "applyLayers(), oci unpack and export leave what umoci leaves of a Debian image",
  needs: ["umoci", "tar", ...DEBIAN_IMAGE_NEEDS],
  root: true,
}, async (t) => {
  const { layout } = await debianImage();
  await using temp = await makeTempDir({ large: true });
  await runPeer("umoci", ["unpack", "--image", `${layout}:single`, temp.join("bundle")]);
  const wanted = readUmociTree(temp.join("bundle"));

  for (const backend of BACKENDS) {
    await t.step(`applyLayers(), ${backend.backend} backend`, async () => {
      const entries = await assertLayersAsUmoci(layout, "single", wanted, backend.backend);

      assertGreater(entries, 5000);
    });
    await t.step(`oci unpack, ${backend.backend} backend`, () => {
      return assertUnpackAsUmoci(layout, "single", wanted, backend);
    });
  }
  await t.step("oci export", async () => {
    await Deno.mkdir(temp.join("root"));

    const { code, stderr } = await runOci(
      ["export", "--platform=linux/amd64", `oci:${layout}:single`, "-o", temp.join("rootfs.tar")],
      { env: { OCI_STORE: temp.join("store") } },
    );
    await runPeer("tar", [
      ...["-x", "--same-owner", "-p", "--xattrs", "--xattrs-include=*"],
      ...["-f", temp.join("rootfs.tar"), "-C", temp.join("root")],
    ]);

    assertEquals(code, 0, stderr);
    assertSameTree(wanted, temp.join("root"));
  });
});

peerTest({
  name: "oci unpack leaves what umoci leaves of many small files",
  needs: ["umoci"],
  root: true,
}, async (t) => {
  await using temp = await makeTempDir();
  const [layout, bundle] = [temp.join("layout"), temp.join("bundle")];
  await writeLayout(layout, { small: buildImage({ layers: smallFiles(3000) }) });
  await runPeer("umoci", ["unpack", "--image", `${layout}:small`, bundle]);
  const wanted = readUmociTree(bundle);

  for (const backend of BACKENDS) {
    await t.step(`${backend.backend} backend`, () => {
      return assertUnpackAsUmoci(layout, "small", wanted, backend);
    });
  }
});

/** Entries that are difficult for an ordinary user: modes without access, owners, devices. */
const ORDINARY = buildImage({
  layers: [
    tar(
      dir("."),
      dir("closed", { mode: 0o555 }),
      file("closed/secret", "x", { mode: 0, uid: 7 }),
      hardlink("closed/same", "closed/secret"),
      dir("dev"),
      device("dev/null", "character", 1, 3, { mode: 0o666 }),
      symlink("link", "closed/secret", { uid: 9 }),
    ),
    tar(file("closed/more", "y"), dir("opened", { mode: 0o111 }), file("opened/z", "z")),
  ],
});

peerTest({
  name: "oci unpack serves an ordinary user, and reports what only root could do",
  needs: ["setpriv", "cp"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  await using server = await serveRegistry(new MemoryContent().add("app", "1", ORDINARY));
  const { deno, checkout, env } = await installForUser(temp.path, 65_534);

  const { code, stdout, stderr } = await run("setpriv", [
    ...["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"],
    ...[...deno, join(checkout, "mod.ts"), "unpack", "--json", "--quiet"],
    ...["--platform=linux/amd64", `${server.host}/app:1`, temp.join("root")],
  ], {
    cwd: "/",
    env: { ...env, HOME: temp.path, OCI_STORE: temp.join("store") },
  });

  assertEquals(code, 0, stderr);
  const [device, ...others] = JSON.parse(stdout).skipped;
  assertEquals([device.path, others], ["dev/null", []]);
  assertStringIncludes(device.reason, "an empty file replaces it");
  const tree = readTree(temp.join("root"));
  const modes = Object.fromEntries([...tree].map(([path, { mode }]) => [path, mode.toString(8)]));
  assertEquals(modes, {
    ".": "755",
    "closed": "555",
    "closed/more": "644",
    "closed/same": "0",
    "closed/secret": "0",
    "dev": "755",
    "dev/null": "666",
    "link": "777",
    "opened": "111",
    "opened/z": "644",
  });
  assertEquals(tree.get("closed/secret")?.content, "x");
  assertEquals(new Set([...tree.values()].map(({ uid }) => uid)), new Set([65_534]));
  assertGreater(tree.get("closed/secret")?.nlink, 1);
});
