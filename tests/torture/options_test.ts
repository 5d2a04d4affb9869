import { assertEquals, assertThrows } from "@std/assert";
import { readOptions, TortureMisuseError } from "../../torture/options.ts";

Deno.test("readOptions() reads numbers and acts", () => {
  const args = ["--seed=0", "--minutes=.5", "--act", "a", "--act", "b", "--round", "3"];
  const { seed, minutes, acts, round, rounds } = readOptions(args);

  assertEquals({ seed, minutes, acts, round, rounds }, {
    seed: 0,
    minutes: 0.5,
    acts: ["a", "b"],
    round: 3,
    rounds: 10,
  });
});

Deno.test.each([
  { args: ["--nope"], says: "--nope" },
  { args: ["extra"], says: "extra" },
  // Without a round to play, the campaign would pass.
  { args: ["--minutes", "abc"], says: '--minutes "abc"' },
  { args: ["--minutes=0"], says: '--minutes "0"' },
  { args: ["--jobs=0"], says: '--jobs "0": it must be a whole number from 1' },
  { args: ["--rounds="], says: '--rounds ""' },
  { args: ["--round=1"], says: "--round needs --seed and --act" },
])("readOptions() rejects $args", ({ args, says }) => {
  assertThrows(() => readOptions(args), TortureMisuseError, says);
});
