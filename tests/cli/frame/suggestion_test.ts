import { assertEquals } from "@std/assert";
import { suggest } from "../../../cli/frame/command.ts";

const NAMES = ["pull", "images", "inspect", "tags", "ls", "cat", "run", "rm", "x"];

Deno.test.each([
  { word: "pul", why: "a missing letter", advice: "Did you mean pull?" },
  { word: "pulll", why: "an extra letter", advice: "Did you mean pull?" },
  { word: "bull", why: "a wrong letter", advice: "Did you mean pull?" },
  { word: "imaegs", why: "two swapped letters", advice: "Did you mean images?" },
  { word: "ispetc", why: "several edits", advice: "Did you mean inspect?" },
  { word: "Pull", why: "another case", advice: "Did you mean pull?" },
  { word: "ps", why: "half of a short word", advice: "Did you mean ls?" },
  { word: "rn", why: "several equally near names, in order", advice: "Did you mean rm or run?" },
  { word: "tat", why: "only the nearest name", advice: "Did you mean cat?" },
  { word: "y", why: "no name for a single letter", advice: undefined },
  { word: "serve", why: "no similar name", advice: undefined },
  { word: "inspectinspect", why: "too many edits", advice: undefined },
])("suggest() handles $word: $why", ({ word, advice }) => {
  assertEquals(suggest(word, NAMES), advice);
});

Deno.test("suggest() suggests nothing if all names are equally near", () => {
  assertEquals(suggest("tcsh", ["bash", "zsh", "fish"]), undefined);
  assertEquals(suggest("bsh", ["bash"]), "Did you mean bash?");
});

Deno.test("suggest() finds nothing among no names", () => {
  assertEquals(suggest("pull", []), undefined);
});

Deno.test.each([
  { word: "--plattform", advice: "Did you mean --platform?" },
  { word: "--jsno", advice: "Did you mean --json?" },
  { word: "--json=1", advice: "Did you mean --json?" },
  // The dashes of two flags do not make them similar.
  { word: "--c", advice: "Did you mean --ca?" },
  { word: "--x", advice: undefined },
  { word: "---", advice: undefined },
])("suggest() compares flags without their dashes: $word", ({ word, advice }) => {
  assertEquals(suggest(word, ["--platform", "--json", "--ca", "--plain-http"]), advice);
});
