import { assert, assertEquals, assertStrictEquals } from "@std/assert";

class CallbackError extends Error {}

export interface ThrowEverywhereOptions {
  /** Limit for the number of calls, which the operation stays below (default: 60). */
  readonly maxCalls?: number;
  /** How many calls later each run throws than the one before (default: 1). */
  readonly steps?: number;
}

/**
 * Runs an operation with a callback that throws at its first call, then at its second call, and so
 * on until there are no more calls. The sanitizers of the test find resources that stay open.
 */
export async function throwEverywhere(
  run: (callback: () => void) => Promise<unknown>,
  { maxCalls = 60, steps = 1 }: ThrowEverywhereOptions = {},
): Promise<void> {
  for (let at = 1; at <= maxCalls; at += steps) {
    let calls = 0;
    const thrown = new CallbackError("thrown by the callback");
    const callback = () => {
      if (++calls === at) throw thrown;
    };
    let failure: unknown;
    await run(callback).catch((error) => failure = error);
    if (calls < at) {
      assert(at > 1, "the callback was not called");
      assertEquals(failure, undefined);
      return;
    }
    assertStrictEquals(failure, thrown, `call ${at}`);
  }
  throw new Error("there were too many calls");
}
