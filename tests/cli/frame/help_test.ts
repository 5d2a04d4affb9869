import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Command } from "../../../cli/frame/command.ts";
import { formatHelp } from "../../../cli/frame/help.ts";

function copy(): Command {
  return new Command("oci copy")
    .argument("<from>", "image to copy")
    .argument("[to...]", "where to", { choices: ["here", "there"] })
    .description("Copies an image, bytes untouched, from one place to others, one after another.")
    .option("--how <way>", "how careful to be with files that exist", {
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
  to           where to (choices: here, there)

Options:
  --how <way>  how careful to be with files that exist
               (choices: fast, safe; default: safe)

Other options:
  -q, --quiet  no progress

Examples:
  oci copy a b`,
  );
});

Deno.test("formatHelp() writes the choices before a default that the description states", () => {
  const command = new Command("oci a")
    .option("--how <way>", "how to go (default: fast, else safe)", { choices: ["fast", "safe"] });

  const [, meaning] = /--how <way> +(.*)/.exec(formatHelp(command, 100)) ?? [];
  assertEquals(meaning, "how to go (choices: fast, safe; default: fast, else safe)");
});

Deno.test("formatHelp() leaves out empty sections", () => {
  const command = new Command("oci").usage("<command>").option("--json", "a document");

  assertEquals(formatHelp(command, 60), "Usage: oci <command>\n\nOptions:\n  --json  a document");
});

Deno.test("formatHelp() puts meanings under their terms if they would have less than 32 columns", () => {
  const wide = formatHelp(copy(), 15 + 32).split("\n");
  const narrow = formatHelp(copy(), 15 + 31).split("\n");

  assertEquals(wide.filter((line) => line.includes("--how")), [
    "  --how <way>  how careful to be with files",
  ]);
  const at = narrow.indexOf("  --how <way>");
  assertEquals(narrow.slice(at, at + 4), [
    "  --how <way>",
    "      how careful to be with files that exist",
    "      (choices: fast, safe; default: safe)",
    "",
  ]);
});

Deno.test("formatHelp() wraps notes, and keeps examples command lines", () => {
  const command = new Command("oci pull").description("Pulls.").usage("[options] <a> <b> <c> <d>")
    .list("Commands:", [["pull", "pull images into the store"]]).notes(`
Prints the digest of the image, which
is short.

Examples:
  oci pull alpine:3.20
  oci pull --platform linux/arm64 example.com/owner/app:1
  oci pull --help      read about the options of one command`);

  assertEquals(
    formatHelp(command, 36),
    `Usage: oci pull [options] <a> <b>
  <c> <d>

Pulls.

Commands:
  pull
      pull images into the store

Prints the digest of the image,
which is short.

Examples:
  oci pull alpine:3.20
  oci pull --platform linux/arm64 \\
      example.com/owner/app:1
  oci pull --help
      read about the options of one
      command`,
  );
});

Deno.test("formatHelp() writes lines that fit, unless a word does not", () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,20}$/), { minLength: 1 });
  fc.assert(fc.property(words, fc.integer({ min: 40, max: 120 }), (words, columns) => {
    const text = words.join(" ");
    const command = new Command("oci").description(text).option("--json", text);

    const lines = formatHelp(command, columns).split("\n");

    assertEquals(lines.filter((line) => line.length > columns), []);
    const shown = lines.slice(1).join(" ").split(/ +/).filter((word) => words.includes(word));
    assertEquals(shown, [...words, ...words]);
  }));
});
