import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Command } from "../../../cli/frame/command.ts";
import { HelpRequest, parseCommandLine } from "../../../cli/frame/command_line.ts";
import { UsageError } from "../../../cli/frame/errors.ts";

/** A command with an option of each kind. */
function copy(): Command {
  return withOptions(new Command("oci copy").argument("<from>", "").argument("[to...]", ""));
}

function withOptions(command: Command): Command {
  return command
    .option("-q, --quiet", "")
    .option("-v, --verbose", "")
    .option("-o, --output <file>", "")
    .option("--jobs <n>", "", { parse: parseCount })
    .option("--tag <name>", "", { repeatable: true })
    .option("--size <n>", "", { repeatable: true, parse: parseCount })
    .option("--word <word>", "", { mayBeEmpty: true })
    .option("--how <way>", "", { choices: ["fast", "safe"], default: "safe" })
    .option("--registry-user <name>", "", { key: "user" })
    .option("--read-only", "", { conflicts: ["--read-write"] })
    .option("--read-write", "")
    .option("-h, --help", "");
}

function parseCount(text: string): number {
  if (/^[0-9]+$/.test(text)) return Number(text);
  throw new SyntaxError("it must be a whole number");
}

Deno.test.each([
  { args: ["a"], options: {}, operands: ["a"] },
  { args: ["a", "b", "c"], options: {}, operands: ["a", "b", "c"] },
  { args: ["--quiet", "a"], options: { quiet: true }, operands: ["a"] },
  { args: ["a", "-q"], options: { quiet: true }, operands: ["a"] },
  { args: ["a", "-q", "b", "--verbose"], options: { quiet: true, verbose: true } },
  { args: ["-qv", "a"], options: { quiet: true, verbose: true }, operands: ["a"] },
  { args: ["-qvq", "a"], options: { quiet: true, verbose: true }, operands: ["a"] },
  { args: ["a", "--output", "f"], options: { output: "f" }, operands: ["a"] },
  { args: ["a", "--output=f"], options: { output: "f" }, operands: ["a"] },
  { args: ["a", "-o", "f"], options: { output: "f" }, operands: ["a"] },
  { args: ["a", "-of"], options: { output: "f" }, operands: ["a"] },
  { args: ["a", "-qof"], options: { quiet: true, output: "f" }, operands: ["a"] },
  { args: ["a", "-qo", "f"], options: { quiet: true, output: "f" }, operands: ["a"] },
  { args: ["a", "-oqv"], options: { output: "qv" }, operands: ["a"] },
  { args: ["a", "--word="], options: { word: "" }, operands: ["a"] },
  { args: ["a", "--word", ""], options: { word: "" }, operands: ["a"] },
  { args: ["a", "--output=f=g"], options: { output: "f=g" }, operands: ["a"] },
  { args: ["a", "-o=f"], options: { output: "f" }, operands: ["a"] },
  { args: ["a", "-qo=f=g"], options: { quiet: true, output: "f=g" }, operands: ["a"] },
  { args: ["a", "-o", "=f"], options: { output: "=f" }, operands: ["a"] },
  { args: ["a", "--output=f\ng"], options: { output: "f\ng" }, operands: ["a"] },
  { args: ["a", "-of\ng"], options: { output: "f\ng" }, operands: ["a"] },
  // The word after an option with a value is its value, even if it looks like an option.
  { args: ["a", "--output", "-q"], options: { output: "-q" }, operands: ["a"] },
  { args: ["a", "--output", "--help"], options: { output: "--help" }, operands: ["a"] },
  { args: ["a", "--output", "--", "-q"], options: { output: "--", quiet: true } },
  { args: ["a", "-o-q"], options: { output: "-q" }, operands: ["a"] },
  // The last one counts, or all do.
  { args: ["a", "-o", "f", "--output=g"], options: { output: "g" }, operands: ["a"] },
  { args: ["a", "--tag", "x"], options: { tag: ["x"] }, operands: ["a"] },
  { args: ["a", "--tag=x", "-q", "--tag=y"], options: { tag: ["x", "y"], quiet: true } },
  { args: ["a", "--size", "1", "--size=2"], options: { size: [1, 2] }, operands: ["a"] },
  { args: ["a", "--jobs", "12"], options: { jobs: 12 }, operands: ["a"] },
  { args: ["a", "--how", "fast"], options: { how: "fast" }, operands: ["a"] },
  { args: ["a", "--how=fast", "--how=safe"], options: { how: "safe" }, operands: ["a"] },
  { args: ["a", "--registry-user", "me"], options: { user: "me" }, operands: ["a"] },
  // After "--", nothing is an option.
  { args: ["--", "-q"], options: {}, operands: ["-q"] },
  { args: ["a", "--", "--help", "--", "-x"], options: {}, operands: ["a", "--help", "--", "-x"] },
  { args: ["a", "--"], options: {}, operands: ["a"] },
  // A dash, which means stdin, and a number are not options.
  { args: ["-"], options: {}, operands: ["-"] },
  { args: [""], options: {}, operands: [""] },
  { args: ["-5", "-.5", "-1.5e-3"], options: {}, operands: ["-5", "-.5", "-1.5e-3"] },
  // The rest of a group of short flags has its usual meaning.
  { args: ["-q-", "-v"], options: { quiet: true }, operands: ["-v"] },
  { args: ["-q-verbose", "a"], options: { quiet: true, verbose: true }, operands: ["a"] },
  { args: ["-q-output=f", "a"], options: { quiet: true, output: "f" }, operands: ["a"] },
  // Not an option of the command, although every object has a member of that name.
  { args: ["a", "constructor"], options: {}, operands: ["a", "constructor"] },
])("parseCommandLine() reads $args", ({ args, options, operands }) => {
  const commandLine = parseCommandLine(copy(), args);

  assertEquals(commandLine.options, { how: "safe", ...options });
  if (operands !== undefined) assertEquals(commandLine.operands, operands);
});

Deno.test.each([
  { args: [], line: '<from> is missing. Write "oci copy ' },
  { args: ["-q"], line: '<from> is missing. Write "oci copy ' },
  { args: ["a", "-o"], line: '-o has no value. Write "-o <file>"' },
  { args: ["a", "-qo"], line: "-o has no value" },
  { args: ["a", "-o="], line: '-o "" is invalid: it must not be empty' },
  { args: ["a", "--output"], line: "--output has no value" },
  { args: ["a", "--nope"], line: 'unknown option "--nope". See "oci copy --help"' },
  { args: ["a", "-x"], line: 'unknown option "-x". See "oci copy --help"' },
  { args: ["a", "-qx"], line: 'unknown option "-x". See "oci copy --help"' },
  { args: ["a", "-xq"], line: 'unknown option "-xq". See "oci copy --help"' },
  { args: ["a", "-quiet"], line: 'unknown option "-uiet". See "oci copy --help"' },
  { args: ["a", "-5x"], line: 'unknown option "-5x". See "oci copy --help"' },
  { args: ["a", "---"], line: 'unknown option "---". See "oci copy --help"' },
  { args: ["a", "--=f"], line: 'unknown option "--=f". See "oci copy --help"' },
  { args: ["a", "--nope=secret"], line: 'unknown option "--nope". See "oci copy --help"' },
  { args: ["a", "-q=1"], line: '-q takes no value. Write "-q", or leave it out' },
  { args: ["a", "--quiet=1"], line: '--quiet takes no value. Write "--quiet", or leave it out' },
  { args: ["a", "--outptu", "f"], line: 'unknown option "--outptu". Did you mean --output?' },
  { args: ["a", "--hepl"], line: 'unknown option "--hepl". Did you mean --help?' },
  { args: ["a", "--help=x"], line: '--help takes no value. Write "--help", or leave it out' },
  {
    args: ["a", "--read-wnly"],
    line: 'unknown option "--read-wnly". Did you mean --read-only?',
  },
  { args: ["a", "--constructor"], line: 'unknown option "--constructor". See' },
  // The first of them, and none of them before a mistake in an option that there is.
  { args: ["a", "--nope", "--neither"], line: 'unknown option "--nope". See' },
  { args: ["--nope"], line: 'unknown option "--nope". See' },
  {
    args: ["a", "--jobs", "x"],
    line: '--jobs "x" is invalid: it must be a whole number. ' +
      'See "oci copy --help"',
  },
  { args: ["--nope", "--jobs=-1"], line: '--jobs "-1" is invalid: it must' },
  { args: ["a", "--size=1", "--size="], line: '--size "" is invalid: it' },
  {
    args: ["a", "--how", "slow"],
    line: '--how "slow" is invalid: it must be fast or safe. ' +
      'See "oci copy --help"',
  },
  { args: ["a", "--output", ""], line: '"" is invalid: it must not be empty. See' },
  { args: ["a", "--output="], line: '"" is invalid: it must not be empty. See' },
  { args: ["a", "--how=Fast"], line: '--how "Fast" is invalid: it must' },
  // Values are kept as typed.
  { args: ["a", "--jobs=it's. No"], line: '"it\'s. No" is invalid: it must' },
  { args: ["a", "--jobs=a\nb"], line: '"a\nb" is invalid: it must' },
  {
    args: ["a", "--read-only", "--read-write"],
    line: "--read-only and --read-write cannot be combined. Leave out one of them",
  },
  {
    args: ["--read-write", "--nope", "--read-only"],
    line: "--read-only and --read-write cannot be combined. Leave",
  },
])("parseCommandLine() refuses $args", ({ args, line }) => {
  assertThrows(() => parseCommandLine(copy(), args), UsageError, line);
});

Deno.test.each([
  {
    command: new Command("oci a"),
    args: ["x"],
    line: 'too many arguments: expected 0 arguments but got 1. See "oci a --help"',
  },
  {
    command: new Command("oci a").argument("<one>", ""),
    args: ["x", "y", "z"],
    line: "too many arguments: expected 1 argument but got 3.",
  },
  {
    command: new Command("oci a").argument("<one>", "").argument("[two]", ""),
    args: ["x", "--", "y", "-z"],
    line: "too many arguments: expected 2 arguments but got 3.",
  },
  {
    command: new Command("oci a").argument("<one>", "").argument("<two>", ""),
    args: ["x"],
    line: "<two> is missing.",
  },
  {
    command: new Command("oci a").argument("<some...>", ""),
    args: [],
    line: "<some> is missing.",
  },
  {
    command: new Command("oci a").argument("<shell>", "", { choices: ["bash", "zsh"] }),
    args: ["tcsh"],
    line: '"tcsh" is not a valid <shell>: it must be bash or zsh.',
  },
  {
    command: new Command("oci a").argument("<count>", "", { parse: parseCount }),
    args: ["x"],
    line: '"x" is not a valid <count>: it must be a whole number.',
  },
  {
    command: new Command("oci a").argument("[count...]", "", { parse: parseCount }),
    args: ["1", "2", "x"],
    line: '"x" is not a valid <count>: it must be a whole number.',
  },
])("parseCommandLine() refuses $args: $line", ({ command, args, line }) => {
  assertThrows(() => parseCommandLine(command, args), UsageError, line);
});

Deno.test.each([
  { args: ["--help"] },
  { args: ["-h"] },
  { args: ["-qh"] },
  { args: ["a", "--help", "b"] },
  { args: ["--help", "--nope"] },
  { args: ["--nope", "-h"] },
  { args: ["--read-only", "--read-write", "--help"] },
])(
  "parseCommandLine() hands a wish for help on before it looks for mistakes: $args",
  ({ args }) => {
    const command = copy();

    const { command: asked } = assertThrows(() => parseCommandLine(command, args), HelpRequest);

    assertEquals(asked === command, true);
  },
);

Deno.test.each([
  { args: ["-hostname", "x"], line: 'unknown option "-hostname"' },
  { args: ["a", "-hq"], line: 'unknown option "-hq"' },
  { args: ["--nope", "--", "--help"], line: 'unknown option "--nope"' },
  { args: ["--help", "--jobs", "x"], line: '--jobs "x" is invalid' },
  { args: ["--help", "--output"], line: "--output has no value" },
])("parseCommandLine() shows no help for $args", ({ args, line }) => {
  assertThrows(() => parseCommandLine(copy(), args), UsageError, line);
});

Deno.test("parseCommandLine() passes on errors of a parser other than those for invalid text", () => {
  const denied = new Deno.errors.NotCapable("Requires env access");
  const command = new Command("oci").option("--env <name>", "", {
    parse: () => {
      throw denied;
    },
  });

  const error = assertThrows(() => parseCommandLine(command, ["--env", "A"]));

  assertEquals(error === denied, true);
});

Deno.test("parseCommandLine() accepts any option value in each notation", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", minLength: 1 }), (value) => {
    for (
      const args of [["--output", value], [`--output=${value}`], ["-o", value], [`-o${value}`]]
    ) {
      assertEquals(parseCommandLine(copy(), ["a", ...args]), {
        options: { output: value, how: "safe" },
        operands: ["a"],
      });
    }
  }));
});

/** A command that runs a program, with options that docker names differently. */
function runCommand(): Command {
  return new Command("oci run").argument("<ref>", "").argument("[arg...]", "", {
    endsOptions: true,
  })
    .option("-v, --mount <mount>", "", { repeatable: true, aliases: ["--volume"] })
    .option("-i, --interactive", "").option("-t, --tty", "")
    .option("-h, --hostname <name>", "").option("--help", "")
    .hint("-d --detach", "There is no daemon").hint("-d", "never");
}

Deno.test.each([
  { words: ["a", "ls", "-t", "--", "--help"], operands: ["a", "ls", "-t", "--", "--help"] },
  { words: ["a", "--", "-x", "--help"], operands: ["a", "-x", "--help"] },
  { words: ["-it", "a", "sh"], operands: ["a", "sh"], interactive: true, tty: true },
  {
    words: ["a", "-it", "sh", "-c", "x"],
    operands: ["a", "sh", "-c", "x"],
    interactive: true,
    tty: true,
  },
  { words: ["-v", "x:/y", "--volume=z:/w", "a"], operands: ["a"], mount: ["x:/y", "z:/w"] },
  { words: ["-h", "box", "a"], operands: ["a"], hostname: "box" },
  { words: ["a", "-c", "x", "--help"], operands: ["a", "-c", "x", "--help"] },
  { words: ["a", "-t", "--silent=1", "-i"], operands: ["a", "--silent=1", "-i"], tty: true },
  { words: ["a", "-itd"], operands: ["a", "-itd"] },
])(
  "parseCommandLine() ends the options at the command to run: $words",
  ({ words, operands, ...options }) => {
    assertEquals(parseCommandLine(runCommand(), words), { operands, options });
  },
);

Deno.test.each([
  { words: ["-d", "a"], says: 'unknown option "-d". There is no daemon' },
  { words: ["-itd", "a"], says: 'unknown option "-d". There is no daemon' },
  { words: ["-dit", "a"], says: 'unknown option "-d". There is no daemon' },
  { words: ["--detach=true", "a"], says: 'unknown option "--detach". There is no daemon' },
  { words: ["--tty=false", "a"], says: '--tty takes no value. Write "--tty", or leave it out' },
  { words: ["-t=true", "a"], says: '-t takes no value. Write "-t", or leave it out' },
  { words: ["--moutn=x", "a"], says: "Did you mean --mount?" },
  { words: ["-detail", "a"], says: 'unknown option "-d". There is no daemon' },
  { words: ["-mount=x", "a"], says: 'unknown option "-mount". Did you mean --mount?' },
  { words: ["-v", "", "a"], says: '-v "" is invalid: it must not be empty' },
  { words: ["--volume", "", "a"], says: '--volume "" is invalid: it must not be empty' },
])("parseCommandLine() advises on the options of other tools: $words", ({ words, says }) => {
  assertThrows(() => parseCommandLine(runCommand(), words), UsageError, says);
});

Deno.test('parseCommandLine() keeps all that follows "--"', () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1 }), (operands) => {
    assertEquals(parseCommandLine(copy(), ["-q", "--", ...operands]), {
      options: { quiet: true, how: "safe" },
      operands,
    });
  }));
});

Deno.test("parseCommandLine() refuses paths of this machine that are not UTF-8", () => {
  const command = new Command("oci unpack").argument("<dir>", "").argument("[path]", "")
    .option("--output <file>", "").option("--env <k=v>", "");
  const parse = (...args: readonly string[]) => parseCommandLine(command, args);

  assertThrows(() => parse("a\udcff"), UsageError, "Deno supports only paths in UTF-8");
  assertThrows(() => parse("a", "--output", "\udcff"), UsageError, "in UTF-8");
  assertEquals(parse("a", "\udcff", "--env", "\udcff").operands, ["a", "\udcff"]);
});
