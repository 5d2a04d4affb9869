import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Command } from "../../../cli/frame/command.ts";
import { formatHelp } from "../../../cli/frame/help.ts";

function copy(): Command {
  return new Command("oci copy")
    .argument("<from>", "image to copy")
    .argument("[to...]", "where to", { choices: ["here", "there"] })
    .description("Copies an image, bytes untouched, from one place to others, one after another.")
    .option("--how <way>", "how careful to be with what is there already", {
      choices: ["fast", "safe"],
      default: "safe",
    })
    .group("Other options:")
    .option("-q, --quiet", "no progress")
    .notes(`
Examples:
  oci copy a b`);
}

Deno.test("formatHelp() writes usage, description, arguments, options by group, and notes", () => {
  assertEquals(
    formatHelp(copy(), 60),
    `Usage: oci copy [options] <from> [to...]

Copies an image, bytes untouched, from one place to others,
one after another.

Arguments:
  from         image to copy
  to           where to (choices: "here", "there")

Options:
  --how <way>  how careful to be with what is there already
               (choices: "fast", "safe", default: "safe")

Other options:
  -q, --quiet  no progress

Examples:
  oci copy a b`,
  );
});

Deno.test("formatHelp() leaves out what a command does not have", () => {
  const command = new Command("oci").usage("<command>").option("--json", "a document");

  assertEquals(formatHelp(command, 60), "Usage: oci <command>\n\nOptions:\n  --json  a document");
});

Deno.test("formatHelp() does not wrap meanings where they would have less than 40 columns", () => {
  const wide = formatHelp(copy(), 15 + 40).split("\n");
  const narrow = formatHelp(copy(), 15 + 39).split("\n");

  assertEquals(wide.filter((line) => line.includes("already")), [
    `${" ".repeat(15)}already (choices: "fast", "safe",`,
  ]);
  assertEquals(narrow.filter((line) => line.includes("already")), [
    "  --how <way>  how careful to be with what is there already " +
    '(choices: "fast", "safe", default: "safe")',
  ]);
});

Deno.test("formatHelp() does not wrap at all on less than 40 columns", () => {
  assertEquals(formatHelp(copy(), 39), formatHelp(copy(), 1));
});

Deno.test("formatHelp() keeps the lines and columns of a description where they fit", () => {
  const command = new Command("oci").usage("").option("--json", "")
    .description(
      `Commands:\n  pull    from a registry${" into a store".repeat(3)}\n\n  tags    all`,
    );

  assertEquals(formatHelp(command, 50).split("\n").slice(2, 7), [
    "Commands:",
    "  pull    from a registry into a store into a",
    "store into a store",
    "",
    "  tags    all",
  ]);
});

Deno.test("formatHelp() writes lines that fit, unless a word does not", () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,20}$/), { minLength: 1 });
  fc.assert(fc.property(words, fc.integer({ min: 52, max: 120 }), (words, columns) => {
    const text = words.join(" ");
    const command = new Command("oci").description(text).option("--json", text);

    const lines = formatHelp(command, columns).split("\n");

    assertEquals(lines.filter((line) => line.length > columns), []);
    const shown = lines.slice(1).join(" ").split(/ +/).filter((word) => words.includes(word));
    assertEquals(shown, [...words, ...words]);
  }));
});
