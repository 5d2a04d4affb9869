import type { Command, Option, ValueSettings } from "./command.ts";
import { UsageError } from "./errors.ts";
import { suggest } from "./suggestion.ts";

/** What a command line says. */
export interface CommandLine {
  /** Values of the options by their keys: of those that were given, and defaults. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Arguments that are not options. */
  readonly operands: readonly string[];
}

/** Asked for with `--help`: not a failure, but the end of parsing. */
export class HelpRequest extends Error {
  /** What to show the help of. */
  readonly command: Command;

  constructor(command: Command) {
    super("help was asked for");
    this.name = "HelpRequest";
    this.command = command;
  }
}

/** An option as it was given, once. */
interface Use {
  readonly option: Option;
  readonly value: unknown;
}

/** Is an argument, not an option. */
const NEGATIVE_NUMBER = /^-(\d+|\d*\.\d+)(e[+-]?\d+)?$/;

/** Options for {@linkcode parseCommandLine}. */
export interface ParseOptions {
  /**
   * Whether arguments may be missing that the command needs.
   *
   * @default {false}
   */
  readonly isPartial?: boolean | undefined;
}

/**
 * Parses what follows the name of a command. Options may stand anywhere before `--`, as
 * `--name value`, `--name=value`, `-n value` or `-nvalue`, short ones together as in `-qv`. What
 * follows an option that takes a value is the value, whatever it looks like.
 *
 * @throws {UsageError} If it is not what the command takes.
 * @throws {HelpRequest} If it asks for help.
 */
export function parseCommandLine(
  command: Command,
  args: readonly string[],
  options: ParseOptions = {},
): CommandLine {
  const { isPartial = false } = options;
  const words = [...args];
  const uses: Use[] = [];
  const operands: string[] = [];
  const unknown: string[] = [];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const option = findOption(command, word);
    const inFull = spellOut(command, word);
    if (command.arguments[operands.length]?.isVerbatim) operands.push(word, ...words.splice(0));
    else if (word === "--") operands.push(...words.splice(0));
    else if (option !== undefined) uses.push({ option, value: takeValue(command, option, words) });
    else if (inFull !== undefined) words.unshift(...inFull);
    else if (/^-./s.test(word) && !NEGATIVE_NUMBER.test(word)) unknown.push(word);
    else operands.push(word);
  }
  const values = optionValues(command, uses);
  if (values.help) throw new HelpRequest(command);
  refuseConflict(command, uses);
  refuseUnknown(command, unknown, operands);
  if (!isPartial) refuseMissing(command, operands);
  checkOperands(command, operands);
  return { options: values, operands };
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find(({ short, long }) => flag === short || flag === long);
}

/** Two words for one: `--name=value` and `-nvalue` are a flag and its value, `-qv` is two flags. */
function spellOut(command: Command, word: string): readonly string[] | undefined {
  const [, flag = "", rest = ""] = /^(--[^=]+)=(.*)$/s.exec(word) ?? /^(-[^-])(.+)$/s.exec(word) ??
    [];
  const option = findOption(command, flag);
  if (option?.takesValue) return [flag, rest];
  // "-hostname" is an option that is written wrong, and no wish for help.
  const isGroup = flag === option?.short && option.key !== "help";
  return isGroup ? [flag, `-${rest}`] : undefined;
}

/** The value of an option: the next word, whatever it looks like. */
function takeValue(command: Command, option: Option, words: string[]): unknown {
  const { flags, takesValue, mayBeEmpty = false } = option;
  if (!takesValue) return true;
  const text = words.shift();
  if (text === undefined) throw misuse(command, `option "${flags}" argument missing`);
  const wrong = `option "${flags}" argument "${text}" is invalid`;
  if (text === "" && !mayBeEmpty) throw misuse(command, `${wrong}: it must not be empty`);
  return readValue(command, option, text, wrong);
}

function readValue(
  command: Command,
  { choices, parse = String }: ValueSettings,
  text: string,
  wrong: string,
): unknown {
  if (choices?.includes(text) === false) {
    throw misuse(command, `${wrong}: allowed choices are ${choices.join(", ")}`);
  }
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw misuse(command, `${wrong}: ${error.message}`);
  }
}

function optionValues(command: Command, uses: readonly Use[]): Record<string, unknown> {
  const byOption = Map.groupBy(uses, ({ option }) => option);
  return Object.fromEntries(command.options.flatMap((option) => {
    const { key, repeatable, default: initial } = option;
    const values = byOption.get(option)?.map(({ value }) => value);
    if (values !== undefined) return [[key, repeatable ? values : values.at(-1)]];
    return initial === undefined ? [] : [[key, initial]];
  }));
}

function refuseConflict(command: Command, uses: readonly Use[]): void {
  for (const { option: { flags, conflict } } of uses) {
    const other = uses.find(({ option }) => option.long === conflict)?.option;
    if (other === undefined) continue;
    throw misuse(command, `option "${flags}" cannot be used with option "${other.flags}"`);
  }
}

function refuseUnknown(
  command: Command,
  [flag]: readonly string[],
  operands: readonly string[],
): void {
  if (flag === undefined) return;
  // Two words at least: the command to run, and what was meant to be an option of it.
  if (command.texts.usage?.includes(" [-- ") && operands.length > 1) {
    throw misuse(command, `unknown option "${flag}"`, 'put the command to run behind "--"');
  }
  const known = flag.startsWith("--") ? command.options.map(({ long }) => long) : [];
  throw misuse(command, `unknown option "${flag}"`, suggest(flag, known));
}

function refuseMissing(command: Command, operands: readonly string[]): void {
  const missing = command.arguments.find(({ isRequired }, i) => {
    return isRequired && operands[i] === undefined;
  });
  if (missing !== undefined) throw misuse(command, `missing required argument "${missing.name}"`);
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const { arguments: expected } = command;
  const last = expected.at(-1);
  if (operands.length > expected.length && !last?.isVariadic) {
    const count = `${expected.length} argument${expected.length === 1 ? "" : "s"}`;
    throw misuse(command, `too many arguments: expected ${count} but got ${operands.length}`);
  }
  for (const [i, text] of operands.entries()) {
    const { name = "", ...settings } = expected[i] ?? last ?? {};
    const wrong = `command-argument value "${text}" is invalid for argument "${name}"`;
    readValue(command, settings, text, wrong);
  }
}

function misuse(
  { name }: Command,
  wrong: string,
  advice: string = `see "${name} --help"`,
): UsageError {
  return new UsageError(`${wrong}; ${advice}`);
}
