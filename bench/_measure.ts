/**
 * Times whole processes against each other: every contender runs once per round, in turn, so
 * that a machine that is slow for a while is slow for all of them. Ratios are of medians.
 */

/** One command that is compared. */
export interface Contender {
  readonly name: string;
  /** A shell command. */
  readonly command: string;
  /** What is done before each run, unmeasured: removing what the last run made. */
  readonly prepare?: () => Promise<void>;
}

/** Medians of the runs of one contender. */
export interface Measurement {
  readonly name: string;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
}

/** Runs each contender `rounds` times, after one round that does not count. */
export async function measure(
  contenders: readonly Contender[],
  rounds = 5,
): Promise<readonly Measurement[]> {
  const runs = new Map<string, Run[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const contender of contenders) {
      await contender.prepare?.();
      const run = await runOnce(contender);
      if (round > 0) runs.get(contender.name)?.push(run);
    }
  }
  return contenders.map(({ name }) => {
    const all = runs.get(name) ?? [];
    return {
      name,
      seconds: median(all.map((run) => run.seconds)),
      cpuSeconds: median(all.map((run) => run.cpuSeconds)),
      peakMib: median(all.map((run) => run.peakMib)),
    };
  });
}

/** A table of measurements, with the ratio of the first contender to each. */
export function formatTable(title: string, measurements: readonly Measurement[]): string {
  const [first] = measurements;
  const rows = measurements.map(({ name, seconds, cpuSeconds, peakMib }) => [
    name,
    `${seconds.toFixed(2)} s`,
    `${cpuSeconds.toFixed(2)} s`,
    `${peakMib.toFixed(0)} MiB`,
    first === undefined ? "" : (first.seconds / seconds).toFixed(2),
    first === undefined ? "" : (first.cpuSeconds / cpuSeconds).toFixed(2),
  ]);
  const head = [title, "wall", "CPU", "peak memory", "wall ratio", "CPU ratio"];
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return lines.join("\n");
}

interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
}

async function runOnce({ name, command }: Contender): Promise<Run> {
  const figures = await Deno.makeTempFile({ prefix: "oci-bench-" });
  try {
    const { success, stderr } = await new Deno.Command("/usr/bin/time", {
      args: ["-f", "%e %U %S %M", "-o", figures, "bash", "-o", "pipefail", "-c", command],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      throw new Error(`Cannot measure ${name}: it failed: ${new TextDecoder().decode(stderr)}`);
    }
    const text = (await Deno.readTextFile(figures)).trim();
    const [wall = NaN, user = NaN, system = NaN, peakKib = NaN] = text.split(" ").map(Number);
    return { seconds: wall, cpuSeconds: user + system, peakMib: peakKib / 1024 };
  } finally {
    await Deno.remove(figures);
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}
