import { assertEquals, assertRejects } from "@std/assert";
import { Watchdog } from "../../../registry/transport/_watchdog.ts";
import { denoEnvironment, run } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test("Watchdog.wait() starts no timer once the signal is aborted", async () => {
  const { timeout } = AbortSignal;
  using restored = new DisposableStack();
  restored.defer(() => Object.assign(AbortSignal, { timeout }));
  let timers = 0;
  AbortSignal.timeout = (ms) => {
    timers++;
    return timeout.call(AbortSignal, ms);
  };
  const watchdog = new Watchdog({
    signal: AbortSignal.abort(new Error("enough")),
    stallTimeoutMs: 30_000,
    stallError: () => new Error("stalled"),
    onGiveUp: () => {},
  });

  await assertRejects(() => watchdog.wait(new Promise(() => {})), Error, "enough");

  assertEquals(timers, 0);
});

Deno.test("Watchdog lets the program end between two waits", async () => {
  await using directory = await makeTempDir();
  const script = directory.join("watchdog.ts");
  const module = new URL("../../../registry/transport/_watchdog.ts", import.meta.url).href;
  await Deno.writeTextFile(
    script,
    `import { Watchdog } from ${JSON.stringify(module)};
    const watchdog = new Watchdog({
      stallTimeoutMs: 1_000_000,
      stallError: () => new Error("stalled"),
      onGiveUp: () => {},
    });
    console.log(await watchdog.wait(Promise.resolve("waited")));`,
  );

  const { stdout } = await run(Deno.execPath(), ["run", script], { env: await denoEnvironment() });

  assertEquals(stdout, "waited\n");
});
