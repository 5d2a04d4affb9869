import { assertEquals, assertRejects } from "@std/assert";
import { HostLimiter } from "../../../registry/endpoints/_host_limiter.ts";
import { FakeClock } from "../_client.ts";

/** Returns whether a promise settles without further events. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  for (let i = 0; i < 10; i++) await Promise.resolve();
  return settled;
}

Deno.test("HostLimiter.acquire() grants the free slots in order", async () => {
  const limiter = new HostLimiter(2, new FakeClock());
  const first = await limiter.acquire();
  await limiter.acquire();
  const third = limiter.acquire();
  const fourth = limiter.acquire();

  const before = await isSettled(third);
  first[Symbol.dispose]();
  first[Symbol.dispose]();

  assertEquals([before, await isSettled(third), await isSettled(fourth)], [false, true, false]);
});

Deno.test("HostLimiter halves its limit with each refusal, and raises it after ten successes", () => {
  const limiter = new HostLimiter(6, new FakeClock());
  const limits: number[] = [];

  for (let i = 0; i < 4; i++) {
    limiter.throttled(0);
    limits.push(limiter.limit);
  }
  for (let i = 0; i < 60; i++) {
    limiter.succeeded();
    if (i % 10 === 9) limits.push(limiter.limit);
  }

  assertEquals(limits, [3, 1, 1, 1, 2, 3, 4, 5, 6, 6]);
});

Deno.test("HostLimiter halves the number of transfers if that is below its limit", async () => {
  const limiter = new HostLimiter(16, new FakeClock());
  const limits: number[] = [];

  limiter.throttled(0);
  limits.push(limiter.limit);
  const places = await Promise.all([1, 2, 3, 4, 5, 6].map(() => limiter.acquire()));
  for (const place of places.slice(1)) place[Symbol.dispose]();
  for (let i = 0; i < 2; i++) {
    limiter.throttled(0);
    limits.push(limiter.limit);
  }

  assertEquals(limits, [8, 3, 1]);
});

Deno.test("HostLimiter.acquire() waits until transfers are below the limit after a refusal", async () => {
  const limiter = new HostLimiter(4, new FakeClock());
  const places = await Promise.all([1, 2, 3, 4].map(() => limiter.acquire()));
  limiter.throttled(0);
  const next = limiter.acquire();

  const states: boolean[] = [];
  for (const place of places) {
    place[Symbol.dispose]();
    states.push(await isSettled(next));
  }

  assertEquals(states, [false, false, true, true]);
});

Deno.test("HostLimiter.acquire() leaves the queue with the signal's reason", async () => {
  const limiter = new HostLimiter(1, new FakeClock());
  const place = await limiter.acquire();
  const controller = new AbortController();
  const given = limiter.acquire(controller.signal);
  const next = limiter.acquire();
  const reason = new Error("enough");

  controller.abort(reason);
  const error = await assertRejects(() => given);
  place[Symbol.dispose]();

  assertEquals(error, reason);
  assertEquals(await isSettled(next), true);
});

Deno.test("HostLimiter.ready() waits for the end of a pause", async () => {
  const clock = new FakeClock();
  const limiter = new HostLimiter(1, clock);

  await limiter.ready();
  limiter.throttled(5_000);
  limiter.throttled(1_000);
  await limiter.ready();
  await limiter.ready();

  assertEquals(clock.pauses, [5_000]);
});

Deno.test("HostLimiter passes on the slot of a request that is aborted on its turn", async () => {
  const limiter = new HostLimiter(1, new FakeClock());
  const controller = new AbortController();
  const first = await limiter.acquire();
  const second = limiter.acquire(controller.signal).catch(() => undefined);
  const third = limiter.acquire();

  first[Symbol.dispose]();
  controller.abort();
  (await second)?.[Symbol.dispose]();

  using _place = await third;
});
