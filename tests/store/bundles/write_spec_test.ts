import { assertEquals } from "@std/assert";
import { newSpec } from "../../../spec/mod.ts";
import { writeSpec } from "../../../store/mod.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

posixTest(
  "writeSpec() makes a file that others cannot write to, even without a umask",
  async () => {
    await using directory = await makeTempDir();
    const path = directory.join("config.json");

    const umask = Deno.umask(0);
    try {
      await writeSpec(path, newSpec());
    } finally {
      Deno.umask(umask);
    }

    const { mode } = await Deno.stat(path);
    assertEquals((mode ?? 0) & 0o777, 0o644);
  },
);
