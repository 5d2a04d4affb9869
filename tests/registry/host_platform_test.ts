import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { hostPlatform } from "../../registry/mod.ts";
import { cpuVariant } from "../../spec/mod.ts";
import { denoEnvironment, ROOT, run } from "../_support/process.ts";

Deno.test("hostPlatform() includes the CPU variant if it can be read", async () => {
  const { os, architecture, variant } = hostPlatform();

  const told = Deno.build.os === "linux"
    ? cpuVariant(architecture, await Deno.readTextFile("/proc/cpuinfo"))
    : undefined;
  assertEquals([os, variant], ["linux", told]);
});

Deno.test("hostPlatform() requests no permission", async () => {
  const script = `import { hostPlatform } from "${join(ROOT, "registry/mod.ts")}";
    console.log(JSON.stringify(hostPlatform()));`;

  const { code, stdout, stderr } = await run(
    Deno.execPath(),
    ["run", "--no-prompt", "--quiet", `--config=${join(ROOT, "deno.json")}`, "-"],
    { stdin: script, env: await denoEnvironment() },
  );

  assertEquals(code, 0, stderr);
  const { os, architecture } = hostPlatform();
  assertEquals(JSON.parse(stdout), { os, architecture });
});
