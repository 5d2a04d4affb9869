import { assertEquals, assertInstanceOf } from "@std/assert";
import { ContentStore, openBundler, UncompressedBundler } from "../../../store/mod.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test({
  name: "openBundler() says why it extracts layers, but does not warn",
  permissions: { read: true, write: true, env: true, sys: true, ffi: false, run: false },
  fn: async () => {
    await using directory = await makeTempDir();
    const store = await ContentStore.open(directory.path);
    const [reasons, warnings]: [string[], string[]] = [[], []];

    const bundler = await openBundler(store, {
      onFallback: (message) => reasons.push(message),
      onWarning: (message) => warnings.push(message),
    });

    assertInstanceOf(bundler, UncompressedBundler);
    assertEquals([reasons.length, warnings.length], [1, 0]);
  },
});
