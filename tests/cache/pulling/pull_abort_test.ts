import { pull } from "../../../cache/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { faultyRegistry } from "../../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** Enough to hit the moment at which a connection is established but not yet reported. */
const ATTEMPTS = 60;

// The sanitizer finds a connection that stays open.
Deno.test("pull() leaks no connection, whenever it is aborted", async () => {
  const image = buildImage({ layers: [1, 2, 3].map((seed) => noise(1_000_000, seed)) });
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", image));
  await using directory = await makeTempDir();
  const options = { store: directory.path, platform: "linux/amd64" };

  for (let i = 0; i < ATTEMPTS; i++) {
    const controller = new AbortController();
    const { signal } = controller;
    const pulling = pull(`${registry.host}/a/b:1`, { ...options, signal });
    setTimeout(() => controller.abort(), i % 6);
    await pulling.catch(() => {});
  }
});
