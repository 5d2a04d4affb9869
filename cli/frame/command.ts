/** How the text of an argument or option becomes a value. */
export interface ValueSettings {
  /** Allowed texts. */
  readonly choices?: readonly string[];
  /** Likely texts, for completion; `choices` by default. */
  readonly examples?: readonly string[];
  /** Parses the text. Throws a `SyntaxError` that describes the expected form. */
  readonly parse?: (text: string) => unknown;
}

export interface ArgumentSettings extends ValueSettings {
  /** Whether its words may look like options, because they are another command's command line. */
  readonly isVerbatim?: boolean;
  /**
   * Whether its first word ends the options, because it begins the command line of a program in a
   * container. That word may look like an option that the command does not have.
   */
  readonly endsOptions?: boolean;
}

/** A positional argument of a command. */
export interface Argument extends ArgumentSettings {
  /** Form in the usage line: `<ref>` is required, `[path]` optional, `<ref...>` variadic. */
  readonly form: string;
  readonly name: string;
  readonly description: string;
  readonly isRequired: boolean;
  /** Whether it consumes all remaining words; only the last argument may. */
  readonly isVariadic: boolean;
}

export interface OptionSettings extends ValueSettings {
  /** Value if the option is absent. */
  readonly default?: string;
  /** Whether the text may be empty, which usually means that a shell variable is not set. */
  readonly mayBeEmpty?: boolean;
  /**
   * Whether the values of all uses form a list. Otherwise the last one counts, so that a command
   * line can override the options of an alias or a script.
   */
  readonly repeatable?: boolean;
  /** Returns the name that a value of a list defines; two values may not define the same name. */
  readonly nameOf?: (value: never) => string;
  /** Name of the value (default: the option's name in camel case). */
  readonly key?: string;
  /** Options that it cannot be combined with, such as `["--read-write"]`. */
  readonly conflicts?: readonly string[];
  /** Other flags with the same meaning, such as docker's. Help does not list them. */
  readonly aliases?: readonly string[];
}

export interface Option extends OptionSettings {
  /** Form in the help text: `-o, --output <file>`. */
  readonly flags: string;
  /** Short form, such as `-o`, if any. */
  readonly short: string | undefined;
  /** Long form, such as `--output`. */
  readonly long: string;
  readonly takesValue: boolean;
  readonly key: string;
  readonly description: string;
  readonly group: string;
}

/** What a command does, where the remedies for its errors depend on that. */
export type CommandTrait =
  | "lists-files"
  | "lists-repositories"
  | "writes-credentials"
  | "writes-repository";

/** Help texts, apart from those of arguments and options. */
export interface HelpTexts {
  /** Usage after the name of the command (default: options and arguments). */
  usage?: string;
  /** Description of the command, in sentences. */
  description: string;
  /** Text below the options: paragraphs, and indented lines such as examples. */
  notes: string;
  /** Lists shown before the arguments, such as the list of commands. */
  lists:
    (readonly [heading: string, rows: readonly (readonly [term: string, meaning: string])[]])[];
}

const FLAGS = /^(?:(-[a-z]), )?(--([a-z]+(?:-[a-z]+)*))( <.+>)?$/;

/** The declaration of a command: its arguments, options and help texts. */
export class Command {
  /** Name with the program, such as `oci pull`. */
  readonly name: string;
  readonly arguments: Argument[] = [];
  /** Options, in the order in which help lists them. */
  readonly options: Option[] = [];
  /** Other texts of the help. */
  readonly texts: HelpTexts = { description: "", notes: "", lists: [] };
  /** Advice for flags that only other tools have. */
  readonly hints: Map<string, string> = new Map();
  /** What it does, where remedies depend on that. */
  readonly traits: Set<CommandTrait> = new Set();
  #group = "Options:";

  constructor(name: string) {
    this.name = name;
  }

  /** Adds an argument, such as `<ref>`, `[path]` or `<ref...>`. */
  argument(form: string, description: string, settings: ArgumentSettings = {}): this {
    this.arguments.push({
      ...settings,
      form,
      name: form.replaceAll(/[<>[\].]/g, ""),
      description,
      isRequired: form.startsWith("<"),
      isVariadic: /\.{3}.$/.test(form),
    });
    return this;
  }

  /** Adds an option, such as `--json`, `-q, --quiet` or `--output <file>`. */
  option(flags: string, description: string, settings: OptionSettings = {}): this {
    const [, short, long, name, value] = FLAGS.exec(flags) ?? [];
    if (long === undefined || name === undefined) {
      throw new SyntaxError(`Cannot declare "${flags}": it must look like "-o, --output <file>"`);
    }
    const key = name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    const takesValue = value !== undefined;
    const group = this.#group;
    this.options.push({ key, ...settings, flags, short, long, takesValue, description, group });
    return this;
  }

  /**
   * Adds advice for flags of other tools, and for a missing `<argument>`. Earlier advice for a flag
   * takes precedence.
   *
   * @param flags Flags, separated by spaces.
   */
  hint(flags: string, advice: string): this {
    for (const flag of flags.split(" ")) {
      if (!this.hints.has(flag)) this.hints.set(flag, advice);
    }
    return this;
  }

  /** Declares what the command does. */
  trait(trait: CommandTrait): this {
    this.traits.add(trait);
    return this;
  }

  /** Returns the option with a flag. */
  find(flag: string): Option | undefined {
    return this.options.find(({ short, long, aliases = [] }) => {
      return flag === short || flag === long || aliases.includes(flag);
    });
  }

  /** Returns whether it has an option with a flag. */
  has(flag: string): boolean {
    return this.find(flag) !== undefined;
  }

  group(heading: string): this {
    this.#group = heading;
    return this;
  }

  /** Sets the description of the command, in sentences. */
  description(text: string): this {
    this.texts.description = text;
    return this;
  }

  /** Sets the usage after the name of the command. */
  usage(text: string): this {
    this.texts.usage = text;
    return this;
  }

  /** Adds a list before the arguments. */
  list(heading: string, rows: readonly (readonly [term: string, meaning: string])[]): this {
    this.texts.lists.push([heading, rows]);
    return this;
  }

  /** Sets the text below the options, such as examples. */
  notes(text: string): this {
    this.texts.notes = text.trim();
    return this;
  }
}

/** Maximum number of edits for a suggestion. */
const MAX_EDITS = 3;
/** Minimum share of matching letters: short words are similar by chance. */
const MIN_SIMILARITY = 0.4;

/**
 * Suggests corrections for a mistyped word.
 *
 * @param known Existing names or flags.
 * @returns A question, such as `Did you mean --platform?`; `undefined` if nothing is similar, or
 * everything is.
 */
export function suggest(word: string, known: readonly string[]): string | undefined {
  const prefix = word.startsWith("--") ? "--" : "";
  const typed = word.slice(prefix.length);
  const names = known.map((name) => name.slice(prefix.length)).filter(({ length }) => length > 1);
  const edits = new Map(names.map((name) => [name, countEdits(typed, name, MAX_EDITS)]));
  const isSimilar = (name: string, count: number) => {
    const { length } = name.length > typed.length ? name : typed;
    return (length - count) / length > MIN_SIMILARITY;
  };
  const similar = [...edits].filter(([name, count]) => isSimilar(name, count));
  const least = Math.min(...similar.map(([, count]) => count));
  const nearest = similar.filter(([, count]) => count === least).map(([name]) => prefix + name);
  // A list of all names would not help.
  const isGuess = nearest.length === 1 || nearest.length < names.length;
  return nearest.length > 0 && isGuess ? `Did you mean ${listOf(nearest.sort())}?` : undefined;
}

/** Lists choices, such as `auto, plain or json`. */
export function listOf(choices: readonly string[]): string {
  const last = choices.at(-1) ?? "";
  return choices.length < 2 ? last : `${choices.slice(0, -1).join(", ")} or ${last}`;
}

/**
 * Counts the edits between two words: letters inserted, deleted or replaced, and adjacent letters
 * swapped. Returns infinity for more than `most` edits.
 */
function countEdits(from: string, to: string, most: number): number {
  if (from === to) return 0;
  if (most === 0) return Infinity;
  if (from[0] === to[0]) return countEdits(from.slice(1), to.slice(1), most);
  const after = (removed: number, added: number) => {
    return 1 + countEdits(from.slice(removed), to.slice(added), most - 1);
  };
  const isSwapped = from.length > 1 && from[0] === to[1] && from[1] === to[0];
  return Math.min(after(1, 0), after(0, 1), after(1, 1), isSwapped ? after(2, 2) : Infinity);
}
