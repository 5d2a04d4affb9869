import { BenchmarkMisuseError } from "./_options.ts";
import { write } from "./_write.ts";

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
