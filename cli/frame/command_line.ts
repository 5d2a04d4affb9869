import { problemOf } from "../../spec/error_facts.ts";
import { type Command, listOf, type Option, suggest, type ValueSettings } from "./command.ts";
import { UsageError } from "./errors.ts";

export interface CommandLine {
  /** Given or default values of the options, by key. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Positional arguments. */
  readonly operands: readonly string[];
}

/** Thrown to end parsing at `--help`; not a failure. */
export class HelpRequest extends Error {
  readonly command: Command;

  constructor(command: Command) {
    super("help requested");
    this.name = "HelpRequest";
    this.command = command;
  }
}

interface Use {
  readonly option: Option;
  /** Text of the value, if it takes one. */
  readonly text?: string;
  readonly value: unknown;
}

/** A word that is an operand although it begins with a dash. */
const NEGATIVE_NUMBER = /^-(\d+|\d*\.\d+)(e[+-]?\d+)?$/;

export interface ParseOptions {
  /**
   * Whether required arguments may be missing.
   *
   * @default {false}
   */
  readonly isPartial?: boolean | undefined;
}

/**
 * Parses the words after the name of a command. Options may appear anywhere before `--`, as
 * `--name value`, `--name=value`, `-n value` or `-nvalue`; short ones may be combined, as in `-qv`.
 * The word after an option that takes a value is its value, even if it looks like an option.
 *
 * @throws {UsageError} If the words do not fit the command.
 * @throws {HelpRequest} If the words contain `--help`.
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
    const option = command.find(word);
    const inFull = spellOut(command, word);
    const { isVerbatim, endsOptions } = command.arguments[operands.length] ?? {};
    // "-x" may be an option of a program in a container, whose command line begins here.
    const isForeign = endsOptions && word !== "--" && !isOwn(command, word);
    if (isVerbatim || isForeign) operands.push(word, ...words.splice(0));
    else if (word === "--") operands.push(...words.splice(0));
    else if (option !== undefined) {
      uses.push(takeValue(command, option, word, words));
    } else if (inFull !== undefined) words.unshift(...inFull);
    else if (/^-./s.test(word) && !NEGATIVE_NUMBER.test(word)) unknown.push(word);
    else operands.push(word);
  }
  const values = optionValues(command, uses);
  if (values.help) throw new HelpRequest(command);
  refuseConflict(command, uses);
  refuseRepeated(command, uses);
  refuseUnknown(command, unknown);
  checkOperands(command, operands);
  if (!isPartial) refuseMissing(command, operands);
  return { options: values, operands };
}

/**
 * Splits `--name=value`, `-nvalue` or `-n=value` into flag and value, and `-qv` into two flags. Like
 * docker and podman, takes `=` after a short option as a separator.
 */
function spellOut(command: Command, word: string): readonly string[] | undefined {
  const [, flag = "", rest = ""] = /^(--[^=]+)=(.*)$/s.exec(word) ?? /^(-[^-])(.+)$/s.exec(word) ??
    [];
  const option = command.find(flag);
  if (option?.takesValue) return [flag, flag.startsWith("--") ? rest : rest.replace(/^=/, "")];
  // "-hostname" is a mistyped option, not a request for help.
  const isGroup = flag === option?.short && option.key !== "help" && !rest.startsWith("=");
  return isGroup ? [flag, `-${rest}`] : undefined;
}

/** Whether a word consists only of options of the command. */
function isOwn(command: Command, word: string): boolean {
  const [flag, rest] = spellOut(command, word) ?? [];
  if (flag === undefined || rest === undefined) return command.find(word) !== undefined;
  return command.find(flag)?.takesValue || isOwn(command, rest);
}

/**
 * Reads the value of an option: the next word, even if it looks like an option.
 *
 * @param flag The option as typed, which may be an alias such as docker's `-v`.
 */
function takeValue(command: Command, option: Option, flag: string, words: string[]): Use {
  const { flags, takesValue, mayBeEmpty = false } = option;
  if (!takesValue) return { option, value: true };
  const text = words.shift();
  if (text === undefined) {
    const [value = ""] = /<.*$/.exec(flags) ?? [];
    throw misuse(command, `${flag} has no value`, `Write "${flag} ${value}"`);
  }
  const wrong = `${flag} "${text}" is invalid`;
  refuseLossy(command, flags, text, wrong);
  if (text === "" && !mayBeEmpty) throw misuse(command, `${wrong}: it must not be empty`);
  return { option, text, value: readValue(command, option, text, wrong) };
}

function readValue(
  command: Command,
  { choices, parse = String }: ValueSettings,
  text: string,
  wrong: string,
): unknown {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw misuse(command, `${wrong}: ${problemOf(error)}`);
  }
  if (choices?.includes(text) !== false) return value;
  throw misuse(command, `${wrong}: it must be ${listOf(choices)}`, suggest(text, choices));
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
  for (const use of uses) {
    const { long, conflicts = [] } = use.option;
    const other = uses.find((u) => u !== use && conflicts.includes(u.option.long))?.option;
    if (other === undefined) continue;
    if (other === use.option) throw misuse(command, `${long} is given twice`, "Leave out one");
    throw misuse(command, `${long} and ${other.long} cannot be combined`, "Leave out one of them");
  }
}

/** Rejects different values for one name in a list: none of them is surely the right one. */
function refuseRepeated(command: Command, uses: readonly Use[]): void {
  const texts = new Map<string, string | undefined>();
  for (const { option: { long, nameOf }, text, value } of uses) {
    if (nameOf === undefined) continue;
    const name = nameOf(value as never);
    const place = `${long} ${name}`;
    if (texts.has(place) && texts.get(place) !== text) {
      const wrong = `${long} has two different values for "${name}"`;
      throw misuse(command, wrong, "Leave out one of them");
    }
    texts.set(place, text);
  }
}

function refuseUnknown(command: Command, [flag]: readonly string[]): void {
  if (flag === undefined) return;
  // "--flag" of "--flag=value", or the first of several short options.
  const name = flag.startsWith("--") ? withoutValue(flag) : flag.slice(0, 2);
  const hint = command.hints.get(name);
  // The value of another tool's option may be a password.
  const wrong = `unknown option "${hint === undefined ? withoutValue(flag) : name}"`;
  const isOn = flag.slice(name.length).startsWith("=") && command.has(name);
  if (isOn) throw misuse(command, `${name} takes no value`, `Write "${name}", or leave it out`);
  // Programs written in Go accept long options with one dash.
  const long = `-${withoutValue(flag)}`;
  if (command.find(long) !== undefined) throw misuse(command, wrong, `Did you mean ${long}?`);
  if (hint !== undefined) throw misuse(command, wrong, hint);
  const known = flag.startsWith("--") ? command.options.map(({ long }) => long) : [];
  throw misuse(command, wrong, suggest(name, known));
}

/** Returns the operands before the command line of a program in a container. */
export function ownOperands(command: Command, operands: readonly string[]): readonly string[] {
  const end = command.arguments.findIndex(({ endsOptions }) => endsOptions);
  return operands.slice(0, end < 0 ? undefined : end);
}

/** Returns a flag without its value. */
export function withoutValue(flag: string): string {
  return flag.replace(/(?<=-[^-].*)=.*/s, "");
}

function refuseMissing(command: Command, operands: readonly string[]): void {
  const missing = command.arguments.find(({ isRequired }, i) => {
    return isRequired && operands[i] === undefined;
  });
  if (missing === undefined) return;
  const hint = command.hints.get(`<${missing.name}>`);
  throw misuse(command, `<${missing.name}> is missing`, hint ?? formOf(command));
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const { arguments: expected } = command;
  const last = expected.at(-1);
  if (operands.length > expected.length && !last?.isVariadic) {
    const count = `${expected.length} argument${expected.length === 1 ? "" : "s"}`;
    const wrong = `too many arguments: expected ${count} but got ${operands.length}`;
    const output = command.find("--output") && `Use "--output FILE" for a file`;
    throw misuse(command, wrong, output ?? (expected.length === 0 ? undefined : formOf(command)));
  }
  for (const [i, text] of operands.entries()) {
    const { name = "", ...settings } = expected[i] ?? last ?? {};
    const wrong = `"${text}" is not a valid <${name}>`;
    refuseLossy(command, `<${name}>`, text, wrong);
    readValue(command, settings, text, wrong);
  }
}

/** A value that is, or contains, a path on this machine. */
const HOST_PATH = /<(?:dir|file|ref|src|dest)>/;

/**
 * Refuses a path on this machine that is not UTF-8. Deno would replace the bytes of lone surrogates
 * and use another path.
 */
function refuseLossy(command: Command, form: string, text: string, wrong: string): void {
  if (text.isWellFormed() || !HOST_PATH.test(form)) return;
  throw misuse(command, `${wrong}: Deno supports only paths in UTF-8`, "Choose another name");
}

/** Says how to write a command with its arguments. */
function formOf({ name, arguments: expected }: Command): string {
  return `Write "${[name, ...expected.map(({ form }) => form)].join(" ")}"`;
}

function misuse(
  { name }: Command,
  wrong: string,
  remedy: string = `See "${name} --help"`,
): UsageError {
  return new UsageError(wrong, remedy);
}
