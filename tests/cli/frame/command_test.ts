import { assertEquals, assertThrows } from "@std/assert";
import { Command } from "../../../cli/frame/command.ts";

Deno.test.each([
  { flags: "--json", short: undefined, long: "--json", takesValue: false, key: "json" },
  { flags: "-q, --quiet", short: "-q", long: "--quiet", takesValue: false, key: "quiet" },
  { flags: "-o, --output <file>", short: "-o", long: "--output", takesValue: true, key: "output" },
  {
    flags: "--user <name[:password]>",
    short: undefined,
    long: "--user",
    takesValue: true,
    key: "user",
  },
  {
    flags: "--all-the-platforms",
    short: undefined,
    long: "--all-the-platforms",
    takesValue: false,
    key: "allThePlatforms",
  },
])("Command.option() reads $flags", ({ flags, ...expected }) => {
  const [option] = new Command("oci").option(flags, "what it does").options;

  assertEquals(option, { flags, ...expected, description: "what it does", group: "Options:" });
});

Deno.test.each([
  { flags: "" },
  { flags: "-q" },
  { flags: "quiet" },
  { flags: "--quiet, -q" },
  { flags: "-q --quiet" },
  { flags: "--Quiet" },
  { flags: "--output [file]" },
  { flags: "--output=<file>" },
])('Command.option() refuses "$flags"', ({ flags }) => {
  assertThrows(
    () => new Command("oci").option(flags, ""),
    SyntaxError,
    `Cannot declare "${flags}": it must look like "-o, --output <file>"`,
  );
});

Deno.test("Command.option() keeps its settings, including another key", () => {
  const settings = { choices: ["a", "b"], default: "a", repeatable: true, key: "other" };

  const { options } = new Command("oci").option("--one <x>", "", settings);

  assertEquals(options.map((option) => ({ ...option, ...settings })), options);
});

Deno.test.each([
  { form: "<ref>", name: "ref", isRequired: true, isVariadic: false },
  { form: "[path]", name: "path", isRequired: false, isVariadic: false },
  { form: "<ref...>", name: "ref", isRequired: true, isVariadic: true },
  { form: "[arg...]", name: "arg", isRequired: false, isVariadic: true },
])("Command.argument() reads $form", ({ form, ...expected }) => {
  const command = new Command("oci").argument(form, "what it is");

  assertEquals(command.arguments, [{ form, ...expected, description: "what it is" }]);
});

Deno.test("Command.group() applies to the options that follow", () => {
  const { options } = new Command("oci").option("--a", "").group("Others:").option("--b", "");

  assertEquals(options.map(({ group }) => group), ["Options:", "Others:"]);
});

Deno.test("Command keeps its texts, notes without the line ends around them", () => {
  const { name, texts } = new Command("oci pull").description("Pulls.").usage("<ref>")
    .notes("\nExamples:\n  oci pull\n");

  assertEquals({ name, ...texts }, {
    name: "oci pull",
    description: "Pulls.",
    usage: "<ref>",
    notes: "Examples:\n  oci pull",
    lists: [],
  });
});
