import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMMANDS, splitArguments, VALUE_OPTIONS } from "../../cli/_commands.ts";
import { defineCommand } from "../../cli/_parse.ts";

Deno.test.each([
  { args: ["pull", "a"], name: "pull", rest: ["a"] },
  { args: ["--json", "pull", "a"], name: "pull", rest: ["--json", "a"] },
  { args: ["--store", "d", "pull", "a"], name: "pull", rest: ["--store", "d", "a"] },
  { args: ["--store=d", "pull", "a"], name: "pull", rest: ["--store=d", "a"] },
  { args: ["pull", "images"], name: "pull", rest: ["images"] },
  { args: ["--version"], name: undefined, rest: ["--version"] },
  { args: ["--", "pull"], name: undefined, rest: ["--", "pull"] },
  { args: [], name: undefined, rest: [] },
])("splitArguments() finds $name in $args", ({ args, name, rest }) => {
  assertEquals(splitArguments(args), { name, rest });
});

Deno.test("VALUE_OPTIONS has every option that takes a value, and no other", async () => {
  const found = new Set<string>();
  for (const [name, { load }] of COMMANDS) {
    const { options } = defineCommand(name, await load());
    for (const { long, short, required } of options) {
      for (const flag of [long, short]) if (required && flag) found.add(flag);
    }
  }

  assertEquals([...VALUE_OPTIONS].sort(), [...found].sort());
});

for (const [name, { summary, load }] of COMMANDS) {
  Deno.test(`COMMANDS has a help for ${name} that reads as the others do`, async () => {
    const command = defineCommand(name, await load());

    assertMatch(command.description(), /^[A-Z][a-z]+s .*\.$/s);
    assertMatch(summary, /^[a-z].*[^.]$/);
    for (const { description } of command.options) {
      assertMatch(description, /^(?:[a-z]|[A-Z]{2}).*[^.]$/);
    }
    assert(command.options.length >= 5, "the options of every command are there");
  });
}
