import type { LayerLimits } from "../../layer/extraction/layer_limits.ts";
import { LimitError } from "../../spec/errors.ts";
import { parseQuantity } from "../../spec/options/quantity.ts";
import type { Command } from "./command.ts";

/** Units of the limits, by option name as in a {@linkcode LimitError}. */
const UNITS: Readonly<Record<keyof LayerLimits, "bytes" | "count">> = {
  maxRatio: "count",
  maxBytes: "bytes",
  maxEntries: "count",
  maxWindow: "bytes",
  maxPathBytes: "bytes",
  maxNameBytes: "bytes",
  maxExtendedHeaderBytes: "bytes",
  maxGlobalRecords: "count",
  maxGlobalBytes: "bytes",
  maxXattrBytes: "bytes",
  maxXattrsBytes: "bytes",
  maxSegments: "count",
};
const NAMES = Object.keys(UNITS) as readonly (keyof LayerLimits)[];

/** Limits for reading a compressed archive of images. */
export const ARCHIVE_LIMITS: readonly (keyof LayerLimits)[] = ["maxRatio", "maxWindow"];

/** Value of `--limit`. */
export interface LimitOption {
  readonly limit?: readonly (readonly [name: string, value: number])[] | undefined;
}

/** Adds `--limit`, for all limits or those with some names. */
export function addLimitOption(
  command: Command,
  names: readonly (keyof LayerLimits)[] = NAMES,
): Command {
  const [what, example] = names === NAMES
    ? ["layers", "maxRatio=1100 or maxBytes=50Gi"]
    : ["compressed archives", "maxRatio=1100"];
  return command.option(
    "--limit <name=value>",
    `change a limit on ${what}, such as ${example} (repeatable)`,
    {
      repeatable: true,
      parse: (text) => parseLimit(text, names),
      nameOf: ([name]: readonly [name: string, value: number]) => name,
      examples: names.map((name) => `${name}=`),
    },
  );
}

/** Returns the changed limits as options of the library. */
export function limitsOf({ limit = [] }: LimitOption): LayerLimits {
  return Object.fromEntries(limit);
}

function parseLimit(
  text: string,
  names: readonly string[],
): readonly [name: string, value: number] {
  const [, name = "", amount = ""] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (!names.includes(name)) {
    throw new SyntaxError(`it must be NAME=VALUE, with one of the names ${names.join(", ")}`);
  }
  if (!/^[0-9.]+[KMGT]?i?$/.test(amount)) {
    throw new SyntaxError("the value must be a number, such as 1100 or 50Gi");
  }
  const value = Number(parseQuantity(amount).value);
  if (Number.isSafeInteger(value)) return [name, value];
  throw new SyntaxError("the value is too large");
}

/** Returns the remedy for an input beyond a limit, with a value that is probably enough. */
export function limitRemedy(error: unknown, command: Command | undefined): string {
  const { option, max = 0, value = 0 } = error instanceof LimitError ? error : {};
  const { examples = [] } = command?.find("--limit") ?? {};
  const name = NAMES.find((name) => name === option);
  if (name === undefined || !examples.includes(`${name}=`)) {
    return "It may be an attack; if it is not, raise the limit in a program of your own";
  }
  // If reading stopped at the limit, the actual value is unknown. Gzip reaches a ratio of 1032.
  const isLowerBound = name === "maxRatio" ? value > 1032 : value < 1.01 * max;
  const enough = isLowerBound ? 2 * (name === "maxRatio" ? value : max) : value;
  const limit = `${name}=${formatLimit(enough, UNITS[name])}`;
  return `It may be an attack; if it is not, raise the limit with --limit ${limit}`;
}

/** Rounds a value up to two digits, or to a power of 1024. */
function formatLimit(value: number, unit: "bytes" | "count"): string {
  if (unit === "bytes") {
    for (const [suffix, bytes] of [["Gi", 2 ** 30], ["Mi", 2 ** 20], ["Ki", 2 ** 10]] as const) {
      if (value >= 2 * bytes) return `${Math.ceil(value / bytes)}${suffix}`;
    }
    return String(value);
  }
  const step = 10 ** Math.max(0, String(value).length - 2);
  return String(Math.ceil(value / step) * step);
}
