/**
 * Kills the process if its main thread is busy for too long, because no timer of that thread fires
 * then. Each message names the acts in progress.
 *
 * @module
 */

/** Time after which the main thread counts as hanging. */
const SILENCE_MS = 120_000;
const CHECK_MS = 5_000;

const scope = self as unknown as { onmessage: (event: MessageEvent<string>) => void };
let last = performance.now();
let doing = "";

scope.onmessage = ({ data }) => {
  last = performance.now();
  doing = data;
};

setInterval(() => {
  if (performance.now() - last < SILENCE_MS) return;
  const text = `FAILED the main thread is busy for ${SILENCE_MS / 1000} s; it plays ${doing}\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  Deno.kill(Deno.pid, "SIGKILL");
}, CHECK_MS);
