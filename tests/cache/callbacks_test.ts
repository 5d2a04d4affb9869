import { copy, load, push, save, unpack } from "../../mod.ts";
import { pull, pullArtifact, pushArtifact } from "../../mod.ts";
import { noise } from "../_support/bytes.ts";
import { throwEverywhere } from "../_support/callbacks.ts";
import { cut, faultyRegistry, on } from "../_support/faulty_registry.ts";
import { buildArtifact, buildImage, buildIndex, MemoryContent } from "../_support/image.ts";
import { dir, file, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { writableRegistry } from "../_support/writable_registry.ts";
import { testClient } from "../registry/_client.ts";
import { pushBuilt } from "./moving/_pushed.ts";

const IMAGE = buildImage({
  layers: [tar(dir("etc"), file("etc/a", noise(300_000))), tar(file("b", noise(200_000, 1)))],
  compression: "none",
});
const OTHER = buildImage({ layers: [tar(file("c", noise(9_000)))], platform: "linux/arm64" });
const INDEX = buildIndex([IMAGE, OTHER]);
const SIGNATURE = buildArtifact({ artifactType: "application/x.sig", subject: INDEX.descriptor });
const MANY = { maxCalls: 400, steps: 3 };
const PLATFORM = "linux/amd64";

function serveImage() {
  const content = new MemoryContent().add("a/b", "1", INDEX);
  return faultyRegistry(content, [on({ kind: "blob", nth: 2 }, cut(50_000))]);
}

Deno.test("pull() closes everything if onProgress throws", async () => {
  await throwEverywhere(async (onProgress) => {
    await using directory = await makeTempDir();
    await using registry = serveImage();
    using client = testClient();
    const options = { store: directory.path, client, platform: PLATFORM, onProgress };
    await pull(`${registry.host}/a/b:1`, options);
    await pull(`${registry.host}/a/b:1`, options);
  }, MANY);
});

Deno.test("pull() closes everything if onWarning throws", async () => {
  await throwEverywhere(async (onWarning) => {
    await using directory = await makeTempDir();
    await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", OTHER));
    using client = testClient();
    const options = { store: directory.path, client, platform: PLATFORM, onWarning };
    await pull(`${registry.host}/a/b:1`, options);
  });
});

Deno.test("unpack() closes everything if onProgress throws", async () => {
  await throwEverywhere(async (onProgress) => {
    await using directory = await makeTempDir();
    await using registry = serveImage();
    using client = testClient();
    await unpack(`${registry.host}/a/b:1`, directory.join("root"), {
      store: directory.join("store"),
      client,
      platform: PLATFORM,
      onProgress,
    });
  }, MANY);
});

Deno.test("copy() closes everything if onProgress throws", async () => {
  await using source = writableRegistry();
  await pushBuilt(source, "a/b:v1", INDEX);
  await pushBuilt(source, "a/b:none", SIGNATURE);
  await throwEverywhere(async (onProgress) => {
    await using target = writableRegistry();
    using client = testClient();
    const options = { client, withReferrers: true, onProgress };
    await copy(`${source.host}/a/b:v1`, `${target.host}/c/d:v2`, options);
  }, MANY);
});

Deno.test.each(["before", "after", "skipped", "successors"] as const)(
  "copy() closes everything if the hook %s throws",
  async (name) => {
    await using source = writableRegistry();
    await pushBuilt(source, "a/b:v1", INDEX);
    await throwEverywhere(async (callback) => {
      await using target = writableRegistry();
      using client = testClient();
      if (name === "skipped") await pushBuilt(target, "c/d:v1", OTHER);
      const hook = (...args: unknown[]) => {
        callback();
        return name === "successors" ? args[1] : undefined;
      };
      const options = { client, [name]: hook };
      await copy(`${source.host}/a/b:v1`, `${target.host}/c/d:v2`, options);
    }, MANY);
  },
);

Deno.test("save(), load() and push() close everything if onProgress throws", async () => {
  await using directory = await makeTempDir();
  await using source = writableRegistry();
  await pushBuilt(source, "a/b:v1", INDEX);
  const store = directory.join("store");
  const archive = directory.join("good.tar");
  const name = `${source.host}/a/b:v1`;
  {
    using client = testClient();
    await copy(name, `oci:${directory.join("layout")}:v1`, { client, store, keep: true });
  }
  await save(name, archive, { store });
  let count = 0;

  await throwEverywhere(async (onProgress) => {
    await save(name, directory.join(`${count++}.tar`), { store, onProgress });
  }, MANY);
  await throwEverywhere(async (onProgress) => {
    await load(archive, { store: directory.join(`${count++}`), onProgress });
  }, MANY);
  await throwEverywhere(async (onProgress) => {
    await using target = writableRegistry();
    using client = testClient();
    await push(name, `${target.host}/c/d:v2`, { store, client, onProgress });
  }, MANY);
});

Deno.test("pushArtifact() and pullArtifact() close everything if onProgress throws", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("data.bin");
  await Deno.writeFile(path, noise(300_000));
  await throwEverywhere(async (onProgress) => {
    await using target = writableRegistry();
    await using stores = await makeTempDir();
    using client = testClient();
    const reference = `${target.host}/c/d:v2`;
    await pushArtifact(reference, [{ path }], { client, onProgress });
    await pullArtifact(reference, { client, store: stores.path, onProgress });
  }, MANY);
});
