import { Broken } from "../scene.ts";
import type { Order, Outcome, Task } from "./racer.ts";

/** Racers that begin at the same moment. */
export class RaceTrack implements Disposable {
  readonly #racers: Worker[] = [];

  /** @param signal Ends all racers. */
  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this[Symbol.dispose](), { once: true });
  }

  /** Runs each task in its own racer, all at once. */
  async run(store: string, tasks: readonly Task[]): Promise<readonly Outcome[]> {
    while (this.#racers.length < tasks.length) {
      this.#racers.push(new Worker(new URL("./racer.ts", import.meta.url), { type: "module" }));
    }
    return await Promise.all(tasks.map((task, i) => order(this.#racers[i], { store, task })));
  }

  /** Ends all racers. */
  [Symbol.dispose](): void {
    for (const racer of this.#racers.splice(0)) racer.terminate();
  }
}

/** Returns the position of the only success of a race. */
export function winnerOf(successes: readonly boolean[]): number {
  const winners = successes.flatMap((isSuccess, i) => isSuccess ? [i] : []);
  const [first] = winners;
  if (first === undefined || winners.length > 1) {
    throw new Broken(`${winners.length} of ${successes.length} won`);
  }
  return first;
}

async function order(racer: Worker | undefined, message: Order): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  if (racer === undefined) throw new Error("the racers have ended");
  racer.onmessage = ({ data }: MessageEvent<Outcome>) => resolve(data);
  racer.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  racer.postMessage(message);
  return await promise;
}
