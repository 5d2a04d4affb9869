/**
 * The standing campaign: `deno task torture --seed N --minutes M` plays acts in random order and
 * checks what must always hold. See `README.md` in this folder.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { Act } from "./act.ts";
import { ACTS } from "./acts.ts";
import { Campaign, type CampaignOptions, type Failure } from "./campaign.ts";
import { reachMountNamespace } from "./mount_namespace.ts";
import { failureText, summaryText } from "./summary.ts";
import { Watchdog } from "./watchdog.ts";

const HELP = `Usage: deno task torture [options]

Kills commands, runs them in parallel, breaks their network, fills their disks and damages their
input, and checks that nothing is lost, left behind or hung. Exits with 1 if a round failed.

  --seed N      start of the random numbers (default: random)
  --minutes M   duration in minutes (default: 2)
  --jobs N      acts to play in parallel (default: the number of CPUs)
  --act NAME    play only this act (repeatable)
  --round N     play only this round, to repeat a failure; needs --seed and --act
  --rounds N    rounds each time that a race is played (default: 10)
  --list        list the acts`;

const { values } = parseArgs({
  args: Deno.args,
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
});

Deno.exitCode = await main();
// An act that hangs would keep the program alive.
Deno.exit();

async function main(): Promise<number> {
  if (values.help) return show(HELP);
  const wanted = ACTS.filter(({ name }) => values.act.length === 0 || values.act.includes(name));
  if (values.list) return show(wanted.map(describe).join("\n"));
  const unknown = values.act.find((name) => !ACTS.some((act) => act.name === name));
  if (unknown !== undefined) throw new Error(`Cannot play "${unknown}": see --list`);
  const status = await reachMountNamespace();
  if (status !== undefined) return status;
  const playable = wanted.filter(({ reason }) => reason === undefined);
  if (playable.length === 0) {
    show(wanted.map(describe).join("\n"));
    return 1;
  }
  return await play(playable, wanted.filter(({ reason }) => reason !== undefined));
}

async function play(acts: readonly Act[], skipped: readonly Act[]): Promise<number> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error("interrupted"));
  for (const name of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(name, interrupt);
  const seed = values.seed === undefined ? randomSeed() : count("seed", values.seed);
  const options: CampaignOptions = {
    seed,
    durationMs: Number(values.minutes) * 60_000,
    jobs: values.jobs === undefined ? navigator.hardwareConcurrency : count("jobs", values.jobs),
    round: values.round === undefined ? undefined : count("round", values.round),
    rounds: count("rounds", values.rounds),
    signal: stop.signal,
    onFailure: (failure: Failure) => show(failureText(failure, seed)),
  };
  show(`torture: seed ${seed}, ${values.minutes} minutes, ${options.jobs} acts at once`);
  const campaign = new Campaign(acts, options);
  const started = performance.now();
  using _watchdog = new Watchdog(() => {
    return [...campaign.playing].map(([round, act]) => `round ${round}, "${act}"`).join("; ");
  });
  await campaign.run();
  const interrupted = stop.signal.aborted ? "interrupted, " : "";
  show(summaryText(campaign, skipped));
  const seconds = Math.round((performance.now() - started) / 1000);
  const rounds = campaign.tallies.values().reduce((sum, { played }) => sum + played, 0);
  const { length: failed } = campaign.failures;
  show(`torture: ${interrupted}seed ${seed}: ${rounds} rounds in ${seconds} s, ${failed} failed`);
  return failed > 0 ? 1 : stop.signal.aborted ? 130 : 0;
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`Cannot play with --${name} ${text}: it must be an integer >= 0`);
}

function describe({ name, reason }: Act): string {
  return reason === undefined ? name : `${name} (skipped: ${reason})`;
}

function show(text: string): number {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  return 0;
}
