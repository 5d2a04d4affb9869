/**
 * The standing campaign: `deno task torture --seed N --minutes M` plays acts in random order and
 * checks what must always hold. See `README.md` in this folder.
 *
 * @module
 */
import type { Act } from "./act.ts";
import { ACTS } from "./acts.ts";
import { Campaign } from "./campaign.ts";
import { reachMountNamespace } from "./mount_namespace.ts";
import { HELP, readOptions, TortureMisuseError, type TortureOptions } from "./options.ts";
import { failureText, summaryText } from "./summary.ts";
import { Watchdog } from "./watchdog.ts";

Deno.exitCode = await main();
// An act that hangs would keep the program alive.
Deno.exit();

async function main(): Promise<number> {
  try {
    return await run(readOptions(Deno.args));
  } catch (error) {
    if (!(error instanceof TortureMisuseError)) throw error;
    show(error.message);
    return 2;
  }
}

async function run(options: TortureOptions): Promise<number> {
  if (options.help) return show(HELP);
  const unknown = options.acts.find((name) => !ACTS.some((act) => act.name === name));
  if (unknown !== undefined) throw new TortureMisuseError(`Cannot play "${unknown}": see --list`);
  const wanted = ACTS.filter(({ name }) => {
    return options.acts.length === 0 || options.acts.includes(name);
  });
  if (options.list) return show(wanted.map(describe).join("\n"));
  const status = await reachMountNamespace();
  if (status !== undefined) return status;
  const playable = wanted.filter(({ reason }) => reason === undefined);
  if (playable.length === 0) {
    show(wanted.map(describe).join("\n"));
    return 1;
  }
  return await play(options, playable, wanted.filter(({ reason }) => reason !== undefined));
}

async function play(
  { seed, minutes, jobs, round, rounds }: TortureOptions,
  acts: readonly Act[],
  skipped: readonly Act[],
): Promise<number> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error("interrupted"));
  for (const name of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(name, interrupt);
  show(`torture: seed ${seed}, ${minutes} minutes, ${jobs} acts at once`);
  const campaign = new Campaign(acts, {
    seed,
    durationMs: minutes * 60_000,
    jobs,
    round,
    rounds,
    signal: stop.signal,
    onFailure: (failure) => show(failureText(failure, seed)),
  });
  const started = performance.now();
  using _watchdog = new Watchdog(() => {
    return [...campaign.playing].map(([round, act]) => `round ${round}, "${act}"`).join("; ");
  });
  await campaign.run();
  const interrupted = stop.signal.aborted ? "interrupted, " : "";
  show(summaryText(campaign, skipped));
  const seconds = Math.round((performance.now() - started) / 1000);
  const played = campaign.tallies.values().reduce((sum, { played }) => sum + played, 0);
  const { length: failed } = campaign.failures;
  show(`torture: ${interrupted}seed ${seed}: ${played} rounds in ${seconds} s, ${failed} failed`);
  return failed > 0 ? 1 : stop.signal.aborted ? 130 : 0;
}

function describe({ name, reason }: Act): string {
  return reason === undefined ? name : `${name} (skipped: ${reason})`;
}

function show(text: string): number {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  return 0;
}
