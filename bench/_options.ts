import { parseArgs } from "node:util";

/** Thrown when the command line of a benchmark is invalid. */
export class BenchmarkMisuseError extends Error {
  override name = "BenchmarkMisuseError";
}

/** Options of a benchmark's command line. */
export type BenchmarkOptions<Name extends string> =
  & { readonly rounds: number }
  & { readonly [key in Name]?: string };

/** Reads `--rounds N` and options that each take one of several values. */
export function readOptions<Name extends string = never>(
  args: readonly string[],
  choices: Readonly<Record<Name, readonly string[]>>,
): BenchmarkOptions<Name> {
  const names = Object.keys(choices) as Name[];
  const values = parse(args, ["rounds", ...names]);
  const rounds = Number(values["rounds"] ?? 5);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new BenchmarkMisuseError(
      `Cannot measure "${values["rounds"]}" rounds: --rounds takes a whole number from 1`,
    );
  }
  for (const name of names) {
    const value = values[name];
    if (value === undefined || choices[name].includes(value)) continue;
    throw new BenchmarkMisuseError(
      `Cannot measure with --${name} "${value}": use one of ${choices[name].join(", ")}`,
    );
  }
  return { ...values, rounds } as BenchmarkOptions<Name>;
}

/** Returns the items with a name, or all of them without a name. */
export function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  only: string | undefined,
): readonly T[] {
  return only === undefined ? all : all.filter(({ name }) => name === only);
}

function parse(
  args: readonly string[],
  names: readonly string[],
): Readonly<Record<string, string | undefined>> {
  try {
    const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new BenchmarkMisuseError(
      `Cannot read the options: ${error.message}; there are --${names.join(", --")}`,
      { cause: error },
    );
  }
}
