import { assert, assertEquals } from "@std/assert";
import { copy, pull } from "../../mod.ts";
import { parseReference } from "../../registry/mod.ts";
import { ContentStore, ImageFiles } from "../../store/mod.ts";
import { concat, noise } from "../_support/bytes.ts";
import { buildImage } from "../_support/image.ts";
import "../_support/native_backend.ts";
import { peerTest, runPeer } from "../_support/peers.ts";
import { dir, file, hardlink, symlink, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { writableRegistry } from "../_support/writable_registry.ts";
import { pushBuilt } from "../cache/moving/_pushed.ts";
import { testClient } from "../registry/_client.ts";

const LARGE = noise(2_000_000, 3);
const IMAGE = buildImage({
  layers: [tar(
    dir("etc"),
    file("etc/config", "answer = 42\n", { mode: 0o640 }),
    file("etc/empty"),
    dir("usr"),
    file("usr/large", LARGE),
    hardlink("usr/same", "usr/large"),
    symlink("link", "etc/config"),
  )],
  compression: "none",
});

peerTest({
  name: "ImageFiles reads files of the zstd:chunked layers of skopeo by their table",
  needs: ["skopeo"],
}, async () => {
  await using plain = writableRegistry();
  await using registry = writableRegistry();
  await using temp = await makeTempDir();
  using client = testClient();
  await pushBuilt(plain, "app:1", IMAGE);
  await copy(`${plain.host}/app:1`, `oci:${temp.join("layout")}:1`, { client });
  await runPeer("skopeo", [
    ...["copy", "--dest-tls-verify=false", "--dest-compress-format", "zstd:chunked"],
    ...["--format", "oci", `oci:${temp.join("layout")}:1`, `docker://${registry.host}/app:1`],
  ]);
  const image = await client.image(parseReference(`${registry.host}/app:1`), {
    platform: "linux/amd64",
  });
  const warnings: string[] = [];
  const store = await ContentStore.open(temp.join("store"));
  const files = new ImageFiles(store, image, { onWarning: (message) => warnings.push(message) });

  const config = await files.readText("link");

  const paths = await Array.fromAsync(files.list(), ({ path }) => path);
  const large = await new Response(await files.read("usr/same")).bytes();
  const blobs = await Array.fromAsync(image.layers, ({ descriptor }) => store.has(descriptor));
  assertEquals(config, "answer = 42\n");
  assertEquals(paths, ["etc", "etc/config", "etc/empty", "link", "usr", "usr/large", "usr/same"]);
  assertEquals(large, LARGE);
  assertEquals([warnings, blobs], [[], [false]]);
});

peerTest({
  name: "ImageFiles takes chunks of the zstd:chunked layers of skopeo from the store",
  needs: ["skopeo"],
}, async () => {
  await using plain = writableRegistry();
  await using registry = writableRegistry();
  await using temp = await makeTempDir();
  using client = testClient();
  const changed = concat(LARGE.subarray(0, 900_000), noise(10, 5), LARGE.subarray(900_000));
  for (const [tag, content] of [["1", LARGE], ["2", changed]] as const) {
    const image = buildImage({ layers: [tar(file("large", content))], compression: "none" });
    await pushBuilt(plain, `app:${tag}`, image);
    await copy(`${plain.host}/app:${tag}`, `oci:${temp.join("layout")}:${tag}`, { client });
    await runPeer("skopeo", [
      ...["copy", "--dest-tls-verify=false", "--dest-compress-format", "zstd:chunked"],
      ...["--format", "oci", `oci:${temp.join("layout")}:${tag}`],
      `docker://${registry.host}/app:${tag}`,
    ]);
  }
  const platform = "linux/amd64";
  await pull(`${registry.host}/app:1`, { store: temp.join("store"), platform, client });
  const image = await client.image(parseReference(`${registry.host}/app:2`), { platform });
  const files = new ImageFiles(await ContentStore.open(temp.join("store")), image);

  const content = await new Response(await files.read("large")).bytes();

  assertEquals(content, changed);
  // The chunks are cut where the content says so, so the added bytes change one or two of them.
  assert(files.reusedBytes > 1_500_000, `${files.reusedBytes}`);
});
