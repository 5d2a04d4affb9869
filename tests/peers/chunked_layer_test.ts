import { assertEquals } from "@std/assert";
import { copy } from "../../mod.ts";
import { parseReference } from "../../registry/mod.ts";
import { ContentStore, ImageFiles } from "../../store/mod.ts";
import { noise } from "../_support/bytes.ts";
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
