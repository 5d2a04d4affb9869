import type { Act } from "./act.ts";
import { Random } from "./random.ts";
import { Scene } from "./scene.ts";

/** Options for {@linkcode Campaign}. */
export interface CampaignOptions {
  /** Selects the acts and everything random in them. */
  readonly seed: number;
  /** Time after which no act starts, in milliseconds. */
  readonly durationMs: number;
  /** Number of acts to play at once. */
  readonly jobs: number;
  /** The only round to play, to repeat a failure. */
  readonly round?: number | undefined;
  /** Number of rounds each time that an act with rounds is played. */
  readonly rounds: number;
  /** Ends the campaign. */
  readonly signal: AbortSignal;
  /** Called with each failure as it happens. */
  readonly onFailure: (failure: Failure) => void;
}

/** A round that failed. */
export interface Failure {
  readonly round: number;
  readonly act: string;
  readonly error: unknown;
}

/** Totals of an act over all rounds. */
export interface Tally {
  played: number;
  failed: number;
  /** Sum of the times of all rounds, in milliseconds. */
  totalMs: number;
  readonly outcomes: Map<string, number>;
}

/** Stream of random numbers that selects acts. */
const SELECTION = 1;
/** Stream of random numbers of the acts. */
const PLAY = 2;
const DEADLINE_MS = 400_000;
/** Time for an act to end after its processes were killed. */
const GRACE_MS = 10_000;

/** Plays acts in random order until its time is over. */
export class Campaign {
  /** Counts by the names of the acts. */
  readonly tallies: Map<string, Tally> = new Map();
  readonly failures: Failure[] = [];
  /** Acts in progress, by round. */
  readonly playing: Map<number, string> = new Map();
  readonly #acts: readonly Act[];
  readonly #options: CampaignOptions;
  #next: number;

  /** @param acts Acts that can be played here, at least one. */
  constructor(acts: readonly Act[], options: CampaignOptions) {
    this.#acts = acts;
    this.#options = options;
    this.#next = options.round ?? 1;
  }

  /** Plays the acts. Ends early, without an error, when its signal is aborted. */
  async run(): Promise<void> {
    const { jobs, durationMs, round, signal } = this.#options;
    if (round !== undefined) return await this.#playOne(this.#next);
    const end = performance.now() + durationMs;
    const work = async () => {
      while (performance.now() < end && !signal.aborted) await this.#playOne(this.#next++);
    };
    await Promise.all(Array.from({ length: jobs }, work));
  }

  async #playOne(round: number): Promise<void> {
    const { onFailure, signal } = this.#options;
    const act = this.#choose(round);
    const tally = this.#tallyOf(act.name);
    const started = performance.now();
    this.playing.set(round, act.name);
    try {
      await this.#play(act, round, tally);
    } catch (error) {
      // An interrupted round has not failed.
      if (signal.aborted) return;
      const failure = { round, act: act.name, error };
      tally.failed++;
      this.failures.push(failure);
      onFailure(failure);
    } finally {
      this.playing.delete(round);
      if (!signal.aborted) {
        tally.played++;
        tally.totalMs += performance.now() - started;
      }
    }
  }

  async #play(act: Act, round: number, tally: Tally): Promise<void> {
    const { seed, rounds } = this.#options;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#options.signal]);
    await using scene = await Scene.open({
      random: new Random(seed, round, PLAY),
      rounds,
      signal,
      count: (outcome, times = 1) => {
        tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + times);
      },
    });
    signal.addEventListener("abort", () => scene.endProcesses(), { once: true });
    const deadlineMs = act.deadlineMs ?? DEADLINE_MS;
    const { promise: hung, reject } = Promise.withResolvers<never>();
    const timers = [
      setTimeout(() => over.abort(new Error(`not done after ${deadlineMs / 1000} s`)), deadlineMs),
      setTimeout(() => reject(new Error("it hangs and cannot be stopped")), deadlineMs + GRACE_MS),
    ];
    try {
      await Promise.race([act.play(scene), hung]);
      signal.throwIfAborted();
      await scene.checkLeftovers();
    } catch (error) {
      throw over.signal.aborted ? new Error(String(over.signal.reason), { cause: error }) : error;
    } finally {
      timers.forEach(clearTimeout);
    }
  }

  /** Chooses the act of a round, by the seed alone. */
  #choose(round: number): Act {
    const weights = this.#acts.map(({ weight = 1 }) => weight);
    let at = new Random(this.#options.seed, round, SELECTION).next() *
      weights.reduce((sum, weight) => sum + weight, 0);
    const chosen = this.#acts.find((_, i) => (at -= weights[i] ?? 0) < 0) ?? this.#acts[0];
    if (chosen === undefined) throw new RangeError("Cannot play: there are no acts");
    return chosen;
  }

  #tallyOf(name: string): Tally {
    const tally = this.tallies.get(name) ??
      { played: 0, failed: 0, totalMs: 0, outcomes: new Map<string, number>() };
    this.tallies.set(name, tally);
    return tally;
  }
}
