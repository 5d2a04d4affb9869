/** A command that is compared with others. */
export interface Contender {
  readonly name: string;
  /** Command line for bash. */
  readonly command: string;
  /** Whether it is ours, rather than another tool to compare with. */
  readonly ours?: boolean;
  /** Called before each run, outside the measured time: removes the results of the last run. */
  readonly prepare?: () => Promise<void>;
}

export interface MeasureOptions {
  /**
   * Number of measured runs of each contender.
   *
   * @default {5}
   */
  readonly rounds?: number;
  /** Stops between two runs. */
  readonly signal?: AbortSignal;
}

/** Medians of the runs of one contender. */
export interface Measurement extends Figures {
  readonly contender: Contender;
}

/** Cost of a run. */
export interface Figures {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Peak memory of the largest single process. */
  readonly peakMib: number;
}

/**
 * Times whole processes against each other. Every contender runs once per round, in turn, so that a
 * slow phase of the machine affects all of them. A first round fills the caches of the machine and
 * does not count.
 */
export async function measure(
  contenders: readonly Contender[],
  options: MeasureOptions = {},
): Promise<readonly Measurement[]> {
  const { rounds = 5, signal } = options;
  const runs = contenders.map((contender) => ({ contender, all: [] as Figures[] }));
  for (let round = 0; round <= rounds; round++) {
    for (const { contender, all } of runs) {
      signal?.throwIfAborted();
      await contender.prepare?.();
      const figures = await runOnce(contender);
      if (round > 0) all.push(figures);
    }
  }
  return runs.map(({ contender, all }) => ({
    contender,
    seconds: median(all.map((run) => run.seconds)),
    cpuSeconds: median(all.map((run) => run.cpuSeconds)),
    peakMib: median(all.map((run) => run.peakMib)),
  }));
}

async function runOnce({ name, command }: Contender): Promise<Figures> {
  const file = await Deno.makeTempFile({ prefix: "oci-bench-" });
  try {
    const { success, stderr } = await new Deno.Command("/usr/bin/time", {
      args: ["-f", "%e %U %S %M", "-o", file, "bash", "-o", "pipefail", "-c", command],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      throw new Error(`Cannot measure ${name}: it failed: ${new TextDecoder().decode(stderr)}`);
    }
    const text = (await Deno.readTextFile(file)).trim();
    const [seconds = NaN, user = NaN, system = NaN, peakKib = NaN] = text.split(" ").map(Number);
    return { seconds, cpuSeconds: user + system, peakMib: peakKib / 1024 };
  } finally {
    await Deno.remove(file);
  }
}

/** Returns the median of some values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}
