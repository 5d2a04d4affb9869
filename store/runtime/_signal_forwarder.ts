import type { Container } from "./_container.ts";

/** Signals that ask a process to end, with the exit codes that shells use for them. */
const EXIT_CODES: ReadonlyMap<Deno.Signal, number> = new Map([
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGQUIT", 131],
  ["SIGTERM", 143],
]);

const FORWARDED: readonly Deno.Signal[] = [...EXIT_CODES.keys(), "SIGUSR1", "SIGUSR2", "SIGWINCH"];

/** Signals that a user repeats if the container does not end. */
const REPEATED: ReadonlySet<Deno.Signal> = new Set(["SIGINT", "SIGTERM"]);
/** Number of such signals within a period after which the program is killed. */
const KILL_REQUEST = { count: 3, withinMs: 2000 };

/** Interval between checks whether the program has begun. */
const PAUSE_MS = 20;

/** Returns the exit code of a process that a signal ended. */
export function exitCodeOfSignal(name: Deno.Signal): number {
  return EXIT_CODES.get(name) ?? 1;
}

interface ForwardSignalsOptions {
  /** Called once if a signal asks to end before the program has begun. */
  readonly onStop: (name: Deno.Signal) => void;
  /**
   * Called after three requests to end within two seconds. The first process of a container receives
   * only signals that it handles, so Ctrl-C alone may not end it.
   */
  readonly onKill: () => void;
}

/**
 * Forwards the signals of this process to the program of a container, one at a time, until the result
 * is disposed of. Before the program has begun, signals that ask to end cancel the start, and others
 * wait.
 */
export function forwardSignals(
  container: Container,
  { onStop, onKill }: ForwardSignalsOptions,
): AsyncDisposable {
  /** Signals to send; as in the kernel, each of them at most once. */
  const pending = new Set<Deno.Signal>();
  let delivery: Promise<void> | undefined;
  let hasExecuted = false;
  let isOver = false;
  let requests: readonly number[] = [];
  const deliver = async () => {
    while (!isOver && pending.size > 0) {
      hasExecuted ||= await container.hasExecuted();
      if (hasExecuted) {
        const [name = "SIGTERM"] = pending;
        pending.delete(name);
        await container.send(name);
        continue;
      }
      const ending = [...pending].find((name) => EXIT_CODES.has(name));
      if (ending !== undefined) {
        isOver = true;
        return onStop(ending);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  const isKillRequest = () => {
    const now = performance.now();
    requests = [...requests, now].filter((time) => now - time < KILL_REQUEST.withinMs);
    return requests.length >= KILL_REQUEST.count;
  };
  const forward = (name: Deno.Signal) => {
    // The runtime copies the new size of its terminal to that of the container.
    if (name === "SIGWINCH") return container.signalRuntime(name);
    if (REPEATED.has(name) && isKillRequest()) onKill();
    pending.add(name);
    delivery ??= deliver().finally(() => delivery = undefined);
  };
  const listeners = FORWARDED.map((name) => [name, () => forward(name)] as const);
  for (const [name, listener] of listeners) Deno.addSignalListener(name, listener);
  return {
    async [Symbol.asyncDispose]() {
      isOver = true;
      for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
      await delivery;
    },
  };
}
