import { assertEquals } from "@std/assert";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { runWithoutUmask } from "../../_support/umask.ts";

posixTest(
  "writeSpec() makes a file that others cannot write to, even without a umask",
  async () => {
    await using directory = await makeTempDir();
    const path = directory.join("config.json");

    await runWithoutUmask(
      `import { newSpec } from "./spec/mod.ts";
      import { writeSpec } from "./store/mod.ts";
      await writeSpec(Deno.args[0], newSpec());`,
      path,
    );

    const { mode } = await Deno.stat(path);
    assertEquals((mode ?? 0) & 0o777, 0o644);
  },
);
