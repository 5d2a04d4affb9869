import { faultyRegistry, on, trickle } from "../../tests/_support/faulty_registry.ts";
import { kill, type ProcessResult } from "../../tests/_support/process.ts";
import type { Act } from "../act.ts";
import { imageContent, repository } from "../images.ts";
import type { Random } from "../random.ts";
import { Broken, checkOutput, type Scene } from "../scene.ts";
import { checkStore } from "../store_checks.ts";
import type { KillCase, KillPlan } from "./kill_case.ts";

const SIGNALS: readonly Deno.Signal[] = ["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT"];
/** Exit codes of interrupted processes, by signal. */
const CODES: Readonly<Partial<Record<Deno.Signal, number>>> = {
  SIGKILL: 137,
  SIGTERM: 143,
  SIGINT: 130,
};
/** Time in which an interrupted command must end, even on a busy machine. */
const PATIENCE_MS = 30_000;
/** Assumed duration of a command before any has been measured, in milliseconds. */
const FIRST_GUESS_MS = 700;
/** Approximate start-up time of Deno: an earlier kill tests Deno rather than the command. */
const START_MS = 150;

/** Duration of each command, so that it is killed while it works. */
const durations = new Map<string, number>();

/** Makes an act that kills a command at a random moment and runs it again. */
export function killAct({ command, reason, prepare }: KillCase): Act {
  return { name: `kill ${command}`, reason, play: (scene) => play(scene, command, prepare) };
}

async function play(scene: Scene, command: string, prepare: KillCase["prepare"]): Promise<void> {
  const { random } = scene;
  await using registry = faultyRegistry(imageContent(), [
    // Slow enough to be killed in the middle.
    on("blob", trickle(128 * 1024, random.between(1, 8))),
  ]);
  const reference = (number: number) => `${registry.host}/${repository(number)}:1`;
  const plan = await prepare({ scene, registry, reference });
  const isInterrupted = await killOnce(scene, command, plan);
  // Check only the first attempt: what a killed one leaves behind may remain after the second one.
  if (isInterrupted) await plan.checkInterrupted?.();
  // In half of the rounds, kill the second attempt as well.
  if (random.chance(0.5)) await killOnce(scene, command, plan);
  const started = performance.now();
  const { codes, stdin } = plan;
  const result = await scene.oci(plan.args, { codes, stdin });
  durations.set(command, mean(durations.get(command), performance.now() - started));
  await plan.check(result);
  await checkStore(scene.store);
}

/** Kills the command once. Returns whether the command itself handled the signal. */
async function killOnce(scene: Scene, command: string, plan: KillPlan): Promise<boolean> {
  const { random } = scene;
  const signal = random.pick(SIGNALS);
  const delayMs = delay(random, durations.get(command) ?? FIRST_GUESS_MS);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sent = Infinity;
  const result = await scene.start(plan.args, {
    stdin: plan.stdin,
    onStart: (child) => {
      timer = setTimeout(() => {
        sent = performance.now();
        kill(child, signal);
      }, delayMs);
    },
  });
  clearTimeout(timer);
  const shown = `oci ${plan.args.join(" ")}, ${signal} after ${Math.round(delayMs)} ms`;
  checkEnd(scene, shown, signal, result, plan);
  if (performance.now() - sent > PATIENCE_MS) {
    throw new Broken(`${shown}: it took ${Math.round(performance.now() - sent)} ms to end`);
  }
  return result.code === CODES[signal] && result.signal === null;
}

function checkEnd(
  scene: Scene,
  shown: string,
  signal: Deno.Signal,
  result: ProcessResult,
  { codes = [0] }: KillPlan,
): void {
  checkOutput(shown, result);
  const { code } = result;
  if (code === CODES[signal]) return scene.count(`${signal} in time`);
  if (!codes.includes(code)) {
    throw new Broken(`${shown}: exit code ${code}\n${result.stdout}${result.stderr}`);
  }
  scene.count("ended first");
}

/** Returns a random delay, mostly between the start of the command and its end. */
function delay(random: Random, durationMs: number): number {
  if (random.chance(0.1)) return random.next() * START_MS;
  return START_MS + random.next() * Math.max(durationMs * 1.1 - START_MS, START_MS);
}

function mean(previous: number | undefined, value: number): number {
  return previous === undefined ? value : 0.8 * previous + 0.2 * value;
}
