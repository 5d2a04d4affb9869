import { assertEquals } from "@std/assert";
import { Semaphore } from "../../../registry/tasks/semaphore.ts";

Deno.test("Semaphore admits tasks in order of arrival", async () => {
  const semaphore = new Semaphore(1);
  const order: number[] = [];

  await Promise.all([1, 2, 3].map(async (i) => {
    using _permit = await semaphore.acquire();
    await Promise.resolve();
    order.push(i);
  }));

  assertEquals(order, [1, 2, 3]);
});

Deno.test("Semaphore skips a task that has stopped waiting", async () => {
  const semaphore = new Semaphore(1);
  const controller = new AbortController();
  const reason = new Error("enough");
  const first = await semaphore.acquire();
  const second = semaphore.acquire(controller.signal).catch((error) => error);
  const third = semaphore.acquire();

  controller.abort(reason);
  first[Symbol.dispose]();

  assertEquals(await second, reason);
  using _permit = await third;
});

Deno.test("Semaphore rejects a task that was already stopped", async () => {
  const reason = new Error("enough");

  const acquired = new Semaphore(1).acquire(AbortSignal.abort(reason));

  assertEquals(await acquired.catch((error) => error), reason);
});

Deno.test("Semaphore serves the next task if one is aborted on its turn", async () => {
  const semaphore = new Semaphore(1);
  const controller = new AbortController();
  const first = await semaphore.acquire();
  const second = semaphore.acquire(controller.signal).catch(() => undefined);
  const third = semaphore.acquire();

  first[Symbol.dispose]();
  controller.abort();
  (await second)?.[Symbol.dispose]();

  using _permit = await third;
});
