import { assertEquals, assertRejects } from "@std/assert";
import { Watchdog } from "../../../registry/transport/watchdog.ts";

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
