import { assertEquals, assertStringIncludes } from "@std/assert";
import { serveRegistry } from "../../../../registry/mod.ts";
import { noise } from "../../../_support/bytes.ts";
import { stargzLayer } from "../../../_support/chunked_layer.ts";
import { buildImage, MemoryContent } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

const TEXT = new TextEncoder().encode("0123456789abcde\n".repeat(16));
const SHARED = { file: "shared", content: new Uint8Array([...noise(400_000, 1), ...TEXT]) };

Deno.test("oci cat and unpack --verbose say how parts are verified, and what the store had", async () => {
  const old = buildImage({ layers: [stargzLayer([SHARED])] });
  const latest = buildImage({
    layers: [stargzLayer([SHARED, { file: "more", content: noise(1_200_000, 2) }])],
  });
  await using server = await serveRegistry(
    new MemoryContent().add("app", "1", old).add("app", "2", latest),
  );
  await using temp = await makeTempDir();
  const env = { OCI_STORE: temp.join("store") };
  const common = ["--platform=linux/amd64"];
  await runOci(["pull", ...common, `${server.host}/app:1`], { env });

  const cat = await runOci(["cat", "-v", ...common, `${server.host}/app:2`, "shared"], { env });
  const unpack = await runOci(
    ["unpack", "-v", ...common, "--path=shared", `${server.host}/app:2`, temp.join("out")],
    { env },
  );
  const quiet = await runOci(["cat", ...common, `${server.host}/app:2`, "shared"], { env });

  assertEquals([cat.code, unpack.code, quiet.code], [0, 0, 0]);
  for (const { stderr } of [cat, unpack]) {
    assertStringIncludes(stderr, "verified by its table of contents rather than by its DiffID");
    assertStringIncludes(stderr, "took 400 kB from other layers in the store");
  }
  assertEquals(quiet.stderr, "");
});
