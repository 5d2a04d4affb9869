import { assertEquals, assertRejects } from "@std/assert";
import { TaskGroup } from "../../../registry/tasks/task_group.ts";

/** Waits until a signal aborts, and then fails with its reason. */
function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

Deno.test("TaskGroup stops the other tasks at the first failure, and waits for them", async () => {
  const group = new TaskGroup();
  let ended = 0;
  for (let count = 0; count < 2; count++) {
    group.run(() => untilAborted(group.signal).finally(() => ended++));
  }

  group.run(() => Promise.reject(new RangeError("first")));

  await assertRejects(() => group.join(), RangeError, "first");
  assertEquals(ended, 2);
});

Deno.test("TaskGroup throws the reason of the caller's signal", async () => {
  const caller = new AbortController();
  const group = new TaskGroup(caller.signal);
  group.run(() => untilAborted(group.signal));

  caller.abort(new TypeError("stopped"));

  await assertRejects(() => group.join(), TypeError, "stopped");
});

Deno.test("TaskGroup returns the results of its tasks", async () => {
  const group = new TaskGroup();
  const results = [1, 2].map((value) => group.run(() => Promise.resolve(value)));

  await group.join();

  assertEquals(await Promise.all(results), [1, 2]);
});

Deno.test("TaskGroup.each() runs a task for each item, for a limited number at a time", async () => {
  const group = new TaskGroup();
  const running = new Set<number>();
  let most = 0;
  const done: number[] = [];

  await group.each([1, 2, 3, 4, 5], 2, async (item) => {
    running.add(item);
    most = Math.max(most, running.size);
    await Promise.resolve();
    running.delete(item);
    done.push(item);
  });

  assertEquals([most, done], [2, [1, 2, 3, 4, 5]]);
});

Deno.test("TaskGroup.each() begins no task after a failure", async () => {
  const group = new TaskGroup();
  const begun: number[] = [];

  const running = group.each([1, 2, 3], 1, (item) => {
    begun.push(item);
    return Promise.reject(new RangeError(`${item} failed`));
  });

  await assertRejects(() => running, RangeError, "1 failed");
  assertEquals(begun, [1]);
});
