import { assertEquals } from "@std/assert";
import { startTimer } from "../../../registry/tasks/timer.ts";
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

Deno.test("startTimer() keeps the program alive unless it is unref'd or disposed of", async () => {
  await using directory = await makeTempDir();
  const script = directory.join("timer.ts");
  const module = new URL("../../../registry/tasks/timer.ts", import.meta.url).href;
  await Deno.writeTextFile(
    script,
    `import { startTimer } from ${JSON.stringify(module)};
    startTimer(1_000_000, () => {})[Symbol.dispose]();
    startTimer(1_000_000, () => {}).unref();
    startTimer(10, () => console.log("called"));`,
  );

  const { stdout } = await run(Deno.execPath(), ["run", script], { env: await denoEnvironment() });

  assertEquals(stdout, "called\n");
});

Deno.test("startTimer() calls the function of an unref'd timer once it is ref'd", async () => {
  let calls = 0;
  const timer = startTimer(1, () => calls++);
  timer.unref();
  const { promise, resolve } = Promise.withResolvers<void>();
  startTimer(2, resolve);
  await promise;
  assertEquals(calls, 0);

  timer.ref();
  timer.ref();

  assertEquals(calls, 1);
});

Deno.test("startTimer() splits a time that is too long for one timer", () => {
  const max = 2 ** 31 - 1;
  const delays: number[] = [];
  const timeouts: AbortController[] = [];
  let calls = 0;
  const { timeout } = AbortSignal;
  AbortSignal.timeout = (ms) => {
    const controller = new AbortController();
    delays.push(ms);
    timeouts.push(controller);
    return controller.signal;
  };

  try {
    using _timer = startTimer(2 ** 32, () => calls++);
    const disposed = startTimer(2 ** 32, () => calls++);
    timeouts[1]?.abort();
    disposed[Symbol.dispose]();
    for (let i = 0; i < timeouts.length; i++) timeouts[i]?.abort();
  } finally {
    AbortSignal.timeout = timeout;
  }

  assertEquals(delays, [max, max, max, max, 2]);
  assertEquals(calls, 1);
});
