import { assertEquals, assertRejects } from "@std/assert";
import { SingleFlight } from "../../../registry/tasks/single_flight.ts";

Deno.test("SingleFlight does the work once, and shares its progress", async () => {
  const flights = new SingleFlight<number>();
  const gate = Promise.withResolvers<void>();
  const progress: string[] = [];
  let result: string | undefined;
  let count = 0;
  const run = (name: string) =>
    flights.run("key", {
      find: () => result,
      async work(report) {
        count++;
        report(1);
        await gate.promise;
        report(2);
        return result = "done";
      },
      onProgress: (value) => progress.push(`${name}${value}`),
    });

  const [one, other] = [run("a"), run("b")];
  gate.resolve();

  assertEquals(await Promise.all([one, other]), ["done", "done"]);
  assertEquals(count, 1);
  assertEquals(progress, ["a1", "b1", "a2", "b2"]);
});

Deno.test("SingleFlight has another task take over when the work fails", async () => {
  const flights = new SingleFlight();
  const run = (work: () => Promise<string>) =>
    flights.run<string>("key", { find: () => undefined, work });

  const failing = run(() => Promise.reject(new RangeError("failed")));
  const working = run(() => Promise.resolve("done"));

  await assertRejects(() => failing, RangeError, "failed");
  assertEquals(await working, "done");
});

Deno.test("SingleFlight stops waiting when the signal aborts", async () => {
  const flights = new SingleFlight();
  const gate = Promise.withResolvers<string>();
  const controller = new AbortController();
  const first = flights.run<string>("key", { find: () => undefined, work: () => gate.promise });
  const second = flights.run<string>("key", {
    find: () => undefined,
    work: () => Promise.resolve("never"),
    signal: controller.signal,
  });

  queueMicrotask(() => controller.abort(new TypeError("stopped")));

  await assertRejects(() => second, TypeError, "stopped");
  gate.resolve("done");
  assertEquals(await first, "done");
});

Deno.test("SingleFlight ends only the task whose progress callback throws", async () => {
  const flights = new SingleFlight<number>();
  const gate = Promise.withResolvers<void>();
  const first = flights.run<string>("key", {
    find: () => undefined,
    async work(report) {
      await gate.promise;
      report(1);
      report(2);
      return "done";
    },
  });
  const second = flights.run<string>("key", {
    find: () => undefined,
    work: () => Promise.resolve("never"),
    onProgress: () => {
      throw new TypeError("thrown by the callback");
    },
  });

  queueMicrotask(() => gate.resolve());

  await assertRejects(() => second, TypeError, "thrown by the callback");
  assertEquals(await first, "done");
});
