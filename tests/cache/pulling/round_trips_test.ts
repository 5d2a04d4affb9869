import { assertEquals } from "@std/assert";
import { pull } from "../../../cache/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { type Fault, faultyRegistry, on, tokenAuth } from "../../_support/faulty_registry.ts";
import { buildImage, buildIndex, MemoryContent } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { testClient } from "../../registry/_client.ts";

const IMAGE = buildImage({ layers: [noise(10_000, 1), noise(20_000, 2), noise(30_000, 3)] });
const INDEX = buildIndex([IMAGE]);
const LAYERS = new Set<string>(IMAGE.layers.map(({ descriptor }) => descriptor.digest));

/** Returns the digest of the layer that a request is for. */
function layerOf(url: string): string | undefined {
  return [...LAYERS].find((digest) => url.endsWith(digest));
}

Deno.test("pull() of an index with token authentication takes six round trips", async () => {
  await using directory = await makeTempDir();
  const { promise, resolve } = Promise.withResolvers<void>();
  const asked: string[] = [];
  const auth = tokenAuth();
  // No layer is answered before all are asked for, so that they share a round trip.
  const together: Fault = async (request, next) => {
    const digest = layerOf(request.url);
    if (digest === undefined) return await next();
    asked.push(digest);
    if (asked.length === LAYERS.size) resolve();
    await promise;
    return await next();
  };
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", INDEX), [
    on({}, auth.fault),
    on("blob", together),
  ]);
  using client = testClient();

  await pull(`${registry.host}/a/b:1`, {
    store: directory.path,
    platform: "linux/amd64",
    client,
  });

  const requests = registry.requests.filter(({ path }) => layerOf(path) === undefined);
  // The challenge, the token, the index, the manifest and the config. The layers follow.
  assertEquals(requests.map(({ kind }) => kind), [
    ...["manifest", "token", "manifest", "manifest", "blob"],
  ]);
  assertEquals(auth.exchanges.length, 1);
  assertEquals(asked.toSorted(), [...LAYERS.keys()].toSorted());
});
