import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { Act } from "../../torture/act.ts";
import { ACTS } from "../../torture/acts.ts";
import { Campaign, type Failure } from "../../torture/campaign.ts";
import { Random } from "../../torture/random.ts";
import { failureText, summaryText } from "../../torture/summary.ts";

const SEED = 7;

async function playAll(acts: readonly Act[], round?: number, signal?: AbortSignal) {
  const failures: Failure[] = [];
  const campaign = new Campaign(acts, {
    seed: SEED,
    durationMs: 200,
    jobs: 1,
    round,
    rounds: 1,
    signal: signal ?? new AbortController().signal,
    onFailure: (failure) => failures.push(failure),
  });
  await campaign.run();
  return { campaign, failures };
}

function act(name: string, play: Act["play"], more: Partial<Act> = {}): Act {
  return { name, play, ...more };
}

Deno.test("Random generates the same numbers for the same seeds", () => {
  const numbers = (...seeds: number[]) => {
    const random = new Random(...seeds);
    return Array.from({ length: 20 }, () => random.below(1000));
  };

  assertEquals(numbers(1, 2), numbers(1, 2));
  assertNotEquals(numbers(1, 2), numbers(1, 3));
  assertNotEquals(numbers(1, 2), numbers(2, 2));
});

Deno.test("Random.sample() returns different items", () => {
  assertEquals(new Set(new Random(1).sample([1, 2, 3, 4, 5], 3)).size, 3);
  assertEquals(new Random(1).sample([1], 3), [1]);
});

Deno.test("Campaign reports a failure with the round that repeats it", async () => {
  const broken = act("broken", ({ random }) => {
    return random.chance(0.5) ? Promise.reject(new Error("lost")) : Promise.resolve();
  });

  const failures: Failure[] = [];
  for (let round = 1; round <= 20; round++) {
    failures.push(...(await playAll([broken], round)).failures);
  }
  const [failure] = failures;
  const again = await playAll([broken], failure?.round);

  assertEquals(again.failures.length, 1);
  if (failure === undefined) throw new Error("nothing has failed");
  const text = failureText(failure, SEED);
  assertStringIncludes(text, `--seed ${SEED} --round ${failure.round} --act "broken"`);
  assertStringIncludes(text, "lost");
});

Deno.test("Campaign counts rounds and outcomes, and names what was skipped", async () => {
  const acts = [
    act("often", (scene) => Promise.resolve(scene.count("done")), { weight: 9 }),
    act("seldom", (scene) => Promise.resolve(scene.count("done"))),
  ];

  const { campaign } = await playAll(acts);

  const tally = campaign.tallies.get("often");
  assertEquals(tally?.outcomes.get("done"), tally?.played);
  const skipped = act("mounts", () => Promise.resolve(), { reason: "needs root" });
  assertStringIncludes(summaryText(campaign, [skipped]), "skipped (needs root): mounts");
});

Deno.test("Campaign fails an act that leaves a file in the directory for temporary files", async () => {
  const untidy = act("untidy", async (scene) => {
    await Deno.writeTextFile(scene.path("tmp", "forgotten"), "");
  });

  const { failures } = await playAll([untidy], 1);

  assertStringIncludes(String(failures[0]?.error), "forgotten");
});

Deno.test("Campaign ends an act at its deadline", async () => {
  const slow = act("slow", async ({ signal }) => {
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }, { deadlineMs: 20 });

  const { failures } = await playAll([slow], 1);

  assertStringIncludes(String(failures[0]?.error), "not done after 0.02 s");
});

Deno.test("Campaign ends without a failure when it is interrupted", async () => {
  const stop = new AbortController();
  const waiting = act("waiting", async ({ signal }) => {
    queueMicrotask(() => stop.abort(new Error("interrupted")));
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  });

  const { failures } = await playAll([waiting], 1, stop.signal);

  assertEquals(failures, []);
});

Deno.test("each act has a unique name", () => {
  assertEquals(new Set(ACTS.map(({ name }) => name)).size, ACTS.length);
});
