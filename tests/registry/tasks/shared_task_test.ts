import { assertEquals, assertRejects } from "@std/assert";
import { SharedTasks } from "../../../registry/tasks/shared_task.ts";

Deno.test("SharedTasks.run() does work once for concurrent callers", async () => {
  const flights = new SharedTasks<number>();
  let runs = 0;
  const work = () => Promise.resolve(++runs);

  const same = await Promise.all([1, 2, 3].map(() => flights.run("a", undefined, work)));
  const other = await flights.run("b", undefined, work);
  const later = await flights.run("a", undefined, work);

  assertEquals([same, other, later], [[1, 1, 1], 2, 3]);
});

Deno.test("SharedTasks.run() fails for all callers, and then starts again", async () => {
  const flights = new SharedTasks<number>();
  const fail = () => Promise.reject(new Error("broken"));

  const both = await Promise.allSettled([1, 2].map(() => flights.run("a", undefined, fail)));

  assertEquals(both.map(({ status }) => status), ["rejected", "rejected"]);
  assertEquals(await flights.run("a", undefined, () => Promise.resolve(1)), 1);
});

Deno.test("SharedTasks.run() stops the work when the last caller aborts", async () => {
  const flights = new SharedTasks<number>();
  const [first, second] = [new AbortController(), new AbortController()];
  let signal: AbortSignal | undefined;
  const work = (given: AbortSignal) => {
    signal = given;
    return new Promise<number>((_, reject) => {
      given.addEventListener("abort", () => reject(given.reason));
    });
  };
  const waits = [first, second].map((controller) => flights.run("a", controller.signal, work));

  first.abort(new Error("first"));
  await assertRejects(() => waits[0] ?? Promise.resolve(), Error, "first");
  const afterFirst = signal?.aborted;
  second.abort(new Error("second"));
  // A new caller must not join the task that was just stopped.
  const next = flights.run("a", undefined, () => Promise.resolve(7));
  await assertRejects(() => waits[1] ?? Promise.resolve(), Error, "second");

  assertEquals([afterFirst, signal?.aborted, await next], [false, true, 7]);
});

Deno.test("SharedTasks.run() starts nothing for a caller that has aborted", async () => {
  const flights = new SharedTasks<number>();
  let runs = 0;

  await assertRejects(() =>
    flights.run("a", AbortSignal.abort(new Error("enough")), () => Promise.resolve(++runs))
  );

  assertEquals(runs, 0);
});
