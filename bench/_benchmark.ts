import { parseArgs } from "node:util";
import { programPath } from "../tests/_support/peers.ts";

/** Thrown when the command line of a benchmark is invalid. */
class BenchmarkMisuseError extends Error {
  override name = "BenchmarkMisuseError";
}

/** Options of a benchmark's command line. */
type BenchmarkOptions<Name extends string> =
  & { readonly rounds: number }
  & { readonly [key in Name]?: string };

/** Reads `--rounds N` and options that each take one of several values. `--help` lists them. */
export function readOptions<Name extends string = never>(
  args: readonly string[],
  choices: Readonly<Record<Name, readonly string[]>>,
): BenchmarkOptions<Name> {
  const names = Object.keys(choices) as Name[];
  if (args.includes("--help") || args.includes("-h")) {
    Deno.stdout.writeSync(new TextEncoder().encode(helpText(choices)));
    Deno.exit();
  }
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

/** Lists the options of a benchmark. */
function helpText(choices: Readonly<Record<string, readonly string[]>>): string {
  const lines = Object.entries(choices).map(([name, values]) =>
    `  --${name.padEnd(8)}${values.join("|")}\n`
  );
  return "Options (bench/README.md describes the benchmarks):\n" +
    `  --rounds  number of runs of each contender (default: 5)\n${lines.join("")}`;
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

/** Prints a line. */
export async function write(line: string, to: typeof Deno.stdout = Deno.stdout): Promise<void> {
  await new Blob([`${line}\n`]).stream().pipeTo(to.writable, { preventClose: true });
}

/** Debian packages of programs that have another name. */
const PACKAGES: Readonly<Record<string, string>> = { bsdtar: "libarchive-tools", igzip: "isal" };

/** Fails unless the user is root and the programs are installed. */
export function assertReady(programs: Iterable<string>): void {
  if (Deno.uid() !== 0) {
    throw new Error("Cannot measure as an ordinary user: owners and mounts need root");
  }
  const missing = [...new Set(programs)].filter((program) => programPath(program) === undefined);
  if (missing.length === 0) return;
  const packages = missing.map((program) => PACKAGES[program] ?? program);
  throw new Error(
    `Cannot measure without ${missing.join(", ")}: apt-get install ${packages.join(" ")}`,
  );
}

/**
 * Runs a benchmark, and prints one line if it fails. After an interruption, the current run ends
 * first, and everything is cleaned up.
 */
export async function runBenchmark(main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new Error("Cannot continue: interrupted"));
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) Deno.addSignalListener(name, interrupt);
  try {
    await main(interruption.signal);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const interrupted = interruption.signal.aborted;
    await write(interrupted ? "Interrupted" : message.trimEnd(), Deno.stderr);
    Deno.exitCode = interrupted ? 130 : error instanceof BenchmarkMisuseError ? 2 : 1;
  } finally {
    for (const name of signals) Deno.removeSignalListener(name, interrupt);
  }
}
