import { assertEquals } from "@std/assert";
import { startTimer } from "../../../registry/transport/timer.ts";
import { denoEnvironment, run } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test("startTimer() calls the function once, unless it is disposed of", async () => {
  const calls: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  {
    using _disposed = startTimer(1, () => calls.push("disposed"));
  }

  startTimer(2, () => {
    calls.push("kept");
    resolve();
  });
  await promise;

  assertEquals(calls, ["kept"]);
});

Deno.test("startTimer() keeps the program alive, and a disposed timer does not", async () => {
  await using directory = await makeTempDir();
  const script = directory.join("timer.ts");
  const module = new URL("../../../registry/transport/timer.ts", import.meta.url).href;
  await Deno.writeTextFile(
    script,
    `import { startTimer } from ${JSON.stringify(module)};
    startTimer(1_000_000, () => {})[Symbol.dispose]();
    startTimer(10, () => console.log("called"));`,
  );

  const { stdout } = await run(Deno.execPath(), ["run", script], { env: await denoEnvironment() });

  assertEquals(stdout, "called\n");
});
