import { assertEquals } from "@std/assert";
import type { Hold } from "../../../store/mod.ts";
import { holdWhileServing } from "../../../store/serving/serving_hold.ts";

/** A store that counts its holds, the second of which waits for `begin()`. */
function countingStore() {
  const { promise, resolve: begin } = Promise.withResolvers<void>();
  const store = {
    active: 0,
    begun: 0,
    begin,
    async hold(): Promise<Hold> {
      if (++store.begun === 2) await promise;
      store.active++;
      return { add: () => Promise.resolve(true), [Symbol.dispose]: () => void store.active-- };
    },
  };
  return store;
}

/** Replaces `setInterval()` until it is disposed of; returns the function that fires the timer. */
function manualInterval() {
  const { setInterval } = globalThis;
  let fire = () => {};
  const replacement = (callback: () => void, ms: number) => {
    fire = callback;
    return setInterval(() => {}, ms);
  };
  Object.assign(globalThis, { setInterval: replacement });
  return {
    fire: async () => {
      fire();
      await new Promise((resolve) => setTimeout(resolve));
    },
    [Symbol.dispose]: () => void Object.assign(globalThis, { setInterval }),
  };
}

Deno.test("holdWhileServing() keeps the last two holds", async () => {
  using interval = manualInterval();
  const store = countingStore();
  store.begin();
  const active: number[] = [];
  {
    using _hold = await holdWhileServing(store);
    for (let i = 0; i < 3; i++) {
      active.push(store.active);
      await interval.fire();
    }
  }
  active.push(store.active);

  assertEquals([store.begun, active], [4, [1, 2, 2, 0]]);
});

Deno.test("holdWhileServing() ends a hold that begins after its disposal", async () => {
  using interval = manualInterval();
  const store = countingStore();
  {
    using _hold = await holdWhileServing(store);
    await interval.fire();
  }

  store.begin();
  await new Promise((resolve) => setTimeout(resolve));

  assertEquals([store.begun, store.active], [2, 0]);
});
