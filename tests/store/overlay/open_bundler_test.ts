import { assertEquals } from "@std/assert";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

// In a process that has loaded the native backend, a test without the permission still has it.
Deno.test("openBundler() says why it extracts layers, but does not warn", async () => {
  await using directory = await makeTempDir();
  const module = new URL("../../../store/mod.ts", import.meta.url).href;
  const script = directory.join("open.ts");
  await Deno.writeTextFile(
    script,
    `import { ContentStore, openBundler } from ${JSON.stringify(module)};
     const store = await ContentStore.open(${JSON.stringify(directory.join("store"))});
     const [reasons, warnings] = [[], []];
     const bundler = await openBundler(store, {
       onFallback: (message) => reasons.push(message),
       onWarning: (message) => warnings.push(message),
     });
     console.log(JSON.stringify([bundler.constructor.name, reasons, warnings]));`,
  );

  const { stdout, stderr } = await run(Deno.execPath(), [
    ...["run", "--no-prompt", "--no-check", `--config=${ROOT}/deno.json`],
    ...["--allow-read", "--allow-write", "--allow-env", "--allow-sys", script],
  ], { env: await denoEnvironment() });

  assertEquals([JSON.parse(stdout || "null"), stderr], [
    [
      "UncompressedBundler",
      ["extracting the layers because overlays cannot be mounted: it needs --allow-ffi"],
      [],
    ],
    "",
  ]);
});
