/** How the text of an argument or of an option becomes a value. */
export interface ValueSettings {
  /** The only texts that there are. */
  readonly choices?: readonly string[];
  /** Turns the text into the value. Throws a `SyntaxError` that says what it must be. */
  readonly parse?: (text: string) => unknown;
}

/** Settings of {@linkcode Command.argument}. */
export interface ArgumentSettings extends ValueSettings {
  /** Whether it takes what looks like an option, too: the command line of another command. */
  readonly isVerbatim?: boolean;
}

/** What follows the options of a command. */
export interface Argument extends ArgumentSettings {
  /** As usage shows it: `<ref>` has to be there, `[path]` need not, `<ref...>` takes all. */
  readonly form: string;
  readonly name: string;
  readonly description: string;
  readonly isRequired: boolean;
  /** Whether it takes all that follows; the last one may. */
  readonly isVariadic: boolean;
}

/** Settings of {@linkcode Command.option}. */
export interface OptionSettings extends ValueSettings {
  /** The value where the option is not given. */
  readonly default?: string;
  /** Whether the text may be empty, which it mostly is where a shell's variable is not set. */
  readonly mayBeEmpty?: boolean;
  /** Whether every use counts, in a list; else the last one does. */
  readonly repeatable?: boolean;
  /** Name of the value; by default that of the option, in camel case. */
  readonly key?: string;
  /** The option that contradicts this one, such as `--read-write`. */
  readonly conflict?: string;
}

/** An option, as {@linkcode Command.option} declares it. */
export interface Option extends OptionSettings {
  /** As help shows it: `-o, --output <file>`. */
  readonly flags: string;
  /** Such as `-o`, if there is one. */
  readonly short: string | undefined;
  /** Such as `--output`. */
  readonly long: string;
  readonly takesValue: boolean;
  readonly key: string;
  readonly description: string;
  /** The heading that it stands under. */
  readonly group: string;
}

/** What help says beside arguments and options. */
export interface HelpTexts {
  /** What follows the name of the command; by default options and arguments. */
  usage?: string;
  /** What the command does, in sentences. */
  description: string;
  /** What stands below the options, as it is. */
  notes: string;
}

const FLAGS = /^(?:(-[a-z]), )?(--([a-z]+(?:-[a-z]+)*))( <.+>)?$/;

/** The declaration of a command: what it takes, and what its help says. */
export class Command {
  /** As the command line has it, such as `oci pull`. */
  readonly name: string;
  /** Arguments that are not options, in order. */
  readonly arguments: Argument[] = [];
  /** Options, in the order in which help lists them. */
  readonly options: Option[] = [];
  /** What help says beside these. */
  readonly texts: HelpTexts = { description: "", notes: "" };
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
      throw new SyntaxError(`Cannot declare "${flags}": it must be as "-o, --output <file>"`);
    }
    const key = name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    const takesValue = value !== undefined;
    const group = this.#group;
    this.options.push({ key, ...settings, flags, short, long, takesValue, description, group });
    return this;
  }

  /** Puts the options that follow under a heading of their own. */
  group(heading: string): this {
    this.#group = heading;
    return this;
  }

  /** Sets what the command does, in sentences. */
  description(text: string): this {
    this.texts.description = text;
    return this;
  }

  /** Sets what follows the name of the command in place of options and arguments. */
  usage(text: string): this {
    this.texts.usage = text;
    return this;
  }

  /** Sets what stands below the options, such as examples. */
  notes(text: string): this {
    this.texts.notes = text.trim();
    return this;
  }
}
