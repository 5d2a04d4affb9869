import { parseArgs } from "node:util";

/** Options of the campaign's command line. */
export interface TortureOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly jobs: number;
  /** Names of the acts to play; all acts if there are none. */
  readonly acts: readonly string[];
  readonly round: number | undefined;
  readonly rounds: number;
  readonly list: boolean;
  readonly help: boolean;
}

/** Thrown when the command line is invalid. */
export class TortureMisuseError extends Error {
  override name = "TortureMisuseError";
}

export const HELP = `Usage: deno task torture [options]

Kills commands, runs them in parallel, breaks their network, fills their disks and damages their
input, and checks that nothing is lost, left behind or hung. Exits with 1 if a round failed.

  --seed N      start of the random numbers (default: random)
  --minutes M   duration in minutes (default: 2)
  --jobs N      acts to play in parallel (default: the number of CPUs)
  --act NAME    play only this act (repeatable)
  --round N     play only this round, to repeat a failure; needs --seed and --act
  --rounds N    rounds each time that a race is played (default: 10)
  --list        list the acts`;

/**
 * Reads the options.
 *
 * @throws {TortureMisuseError} If an option is unknown or its value invalid.
 */
export function readOptions(args: readonly string[]): TortureOptions {
  const { seed, minutes, jobs, act: acts, round, rounds, list, help } = parse(args);
  if (round !== undefined && (seed === undefined || acts.length === 0)) {
    throw new TortureMisuseError("Cannot repeat a round: --round needs --seed and --act");
  }
  return {
    seed: seed === undefined ? randomSeed() : count("seed", seed, 0),
    minutes: duration(minutes),
    jobs: jobs === undefined ? navigator.hardwareConcurrency : count("jobs", jobs, 1),
    acts,
    round: round === undefined ? undefined : count("round", round, 1),
    rounds: count("rounds", rounds, 1),
    list,
    help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: "string" },
        minutes: { type: "string", default: "2" },
        jobs: { type: "string" },
        act: { type: "string", multiple: true, default: [] },
        round: { type: "string" },
        rounds: { type: "string", default: "10" },
        list: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new TortureMisuseError(`Cannot read the options: ${error.message}; see --help`, {
      cause: error,
    });
  }
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
}

function count(name: string, text: string, least: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new TortureMisuseError(
    `Cannot play with --${name} "${text}": it must be a whole number from ${least}`,
  );
}

function duration(text: string): number {
  const minutes = /^[0-9]*\.?[0-9]+$/.test(text) ? Number(text) : 0;
  if (minutes > 0) return minutes;
  throw new TortureMisuseError(`Cannot play with --minutes "${text}": it must be a number above 0`);
}
