import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseCommandLine } from "../../cli/frame/command_line.ts";
import { COMMAND_SYNONYMS, COMMANDS } from "../../cli/commands.ts";
import { declareCommand, splitArguments } from "../../cli/frame/program.ts";

Deno.test.each([
  { args: ["pull", "a"], name: "pull", rest: ["a"] },
  { args: ["--json", "pull", "a"], name: "pull", rest: ["--json", "a"] },
  { args: ["--store", "d", "pull", "a"], name: "pull", rest: ["--store", "d", "a"] },
  { args: ["--store=d", "pull", "a"], name: "pull", rest: ["--store=d", "a"] },
  { args: ["-o", "f", "export", "a"], name: "export", rest: ["-o", "f", "a"] },
  { args: ["--platform", "p", "ls"], name: "ls", rest: ["--platform", "p"] },
  { args: ["--long", "ls", "a"], name: "ls", rest: ["--long", "a"] },
  { args: ["--nothing", "ls", "a"], name: "ls", rest: ["--nothing", "a"] },
  { args: ["pull", "images"], name: "pull", rest: ["images"] },
  { args: ["--version"], name: undefined, rest: ["--version"] },
  { args: ["--", "pull"], name: undefined, rest: ["--", "pull"] },
  { args: [], name: undefined, rest: [] },
])("splitArguments(, COMMANDS) finds $name in $args", async ({ args, name, rest }) => {
  assertEquals(await splitArguments(args, COMMANDS), { name, rest });
});

/** The command lines of `oci` among lines for a shell, as far as its operators. */
function commandLines(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/^\s*oci (.*)$|\$\(oci (.*?)\)|; oci (.*)$/gm)].map((match) => {
    const [line = ""] = (match.slice(1).find(Boolean) ?? "").split(
      / (?:\||[0-9]?>|<|&&) |; (?=oci)/,
    );
    return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => {
      return word.replaceAll(/['"]/g, "");
    });
  });
}

for (const [name, { summary, load }] of COMMANDS) {
  Deno.test(`COMMANDS has examples of ${name} that are command lines`, async () => {
    const { texts: { notes } } = declareCommand(name, await load(), COMMANDS);

    for (const words of commandLines(notes)) {
      const { name: used = "", rest } = await splitArguments(words, COMMANDS);
      const entry = COMMANDS.get(used);
      assert(entry !== undefined, words.join(" "));
      parseCommandLine(declareCommand(used, await entry.load(), COMMANDS), rest);
    }
  });

  Deno.test(`COMMANDS has a help for ${name} that reads as the others do`, async () => {
    const command = declareCommand(name, await load(), COMMANDS);

    assertMatch(command.texts.description, /^[A-Z][a-z]+s .*\.$/s);
    assertMatch(summary, /^[a-z].*[^.]$/);
    for (const { description } of command.options) {
      assertMatch(description, /^(?:[a-z]|[A-Z]{2}).*[^.]$/);
    }
    assert(command.options.length >= 5, "the options of every command are there");
  });

  Deno.test(`COMMANDS has no two options of ${name} with the same flag or key`, async () => {
    const { options } = declareCommand(name, await load(), COMMANDS);

    const flags = options.flatMap(({ long, short }) => short === undefined ? long : [short, long]);
    const keys = options.map(({ key }) => key);
    assertEquals([flags, keys], [[...new Set(flags)], [...new Set(keys)]]);
  });
}

Deno.test("COMMAND_SYNONYMS names commands that there are, for words that are none", () => {
  for (const [word, meant] of COMMAND_SYNONYMS) {
    assert(COMMANDS.has(meant), meant);
    assert(!COMMANDS.has(word), word);
  }
});
