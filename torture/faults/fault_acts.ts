import { pull } from "../../cache/mod.ts";
import { RemoteClient } from "../../registry/mod.ts";
import { OciError } from "../../spec/mod.ts";
import { ContentStore } from "../../store/mod.ts";
import { type FaultyRegistry, faultyRegistry } from "../../tests/_support/faulty_registry.ts";
import type { Act } from "../act.ts";
import { imageContent, IMAGES, LARGE, repository } from "../images.ts";
import { Broken } from "../scene.ts";
import type { Scene } from "../scene.ts";
import { checkHealth, checkImage, checkStore } from "../store_checks.ts";
import { choosePair, FAULTS } from "./fault_menu.ts";

/** Time for a pull that gives up after two retries. */
const BOUND_MS = 30_000;

/** Pulls from a registry with two faults: the image is right, or the pull fails in time. */
export const FAULT_ACTS: readonly Act[] = [
  { name: "faults", weight: 4, play: (scene) => playInProcess(scene, false) },
  { name: "faults in ranges", weight: 3, play: (scene) => playInProcess(scene, true) },
  { name: "faults (command)", weight: 2, play: playCommand },
];

async function playInProcess(scene: Scene, isLarge: boolean): Promise<void> {
  const { random } = scene;
  const pair = choosePair(random);
  // From far away, the client downloads in ranges.
  const far = FAULTS.filter(({ name }) => isLarge && name === "far");
  const rules = [
    ...far.map(({ make }) => ({ match: {}, fault: make(random) })),
    ...pair.map(({ rule }) => rule),
  ];
  await using registry = faultyRegistry(imageContent(), rules);
  const number = random.below(IMAGES.length);
  const name = `${registry.host}/${isLarge ? "large" : repository(number)}:1`;
  const shown = pair.map(({ name }) => name).join(" + ");
  const started = performance.now();
  try {
    await pullWithin(scene, name, IMPATIENT_MS);
    scene.count("right");
  } catch (error) {
    if (!isClear(error)) {
      throw new Broken(`${shown}: an error that explains nothing`, { cause: error });
    }
    scene.count("error");
  }
  const ms = Math.round(performance.now() - started);
  if (ms > BOUND_MS) throw new Broken(`${shown}: it took ${ms} ms`);
  await checkHealth(scene.store);
  registry.heal();
  await pullWithin(scene, name, PATIENT_MS);
  await checkPulled(scene, name, isLarge ? undefined : number);
}

/** Stall timeout for a faulty registry. */
const IMPATIENT_MS = 400;
/** Stall timeout for a healthy registry, even on a busy machine. */
const PATIENT_MS = 30_000;

async function pullWithin(scene: Scene, name: string, stallTimeoutMs: number): Promise<void> {
  using client = new RemoteClient({
    credentials: "none",
    retries: 2,
    stallTimeoutMs,
    maxWaitMs: 100,
    backoff: { firstMs: 1, maxMs: 5 },
    connections: scene.random.pick([1, 4, 10]),
  });
  const { signal, store } = scene;
  await pull(name, { store, client, signal, pullPolicy: "Always" });
}

/** Whether an error explains a problem with the input, rather than revealing a defect. */
export function isClear(error: unknown): boolean {
  return error instanceof OciError || error instanceof SyntaxError;
}

async function playCommand(scene: Scene): Promise<void> {
  const pair = choosePair(scene.random, FAULTS.filter(({ isSlow }) => !isSlow));
  await using registry: FaultyRegistry = faultyRegistry(
    imageContent(),
    pair.map(({ rule }) => rule),
  );
  const number = scene.random.below(IMAGES.length);
  const name = `${registry.host}/${repository(number)}:1`;
  const args = ["pull", "--json", "--retries", "1", name];
  const { code } = await scene.oci(args, { codes: [0, 1] });
  scene.count(code === 0 ? "right" : "error");
  registry.heal();
  await scene.oci(args);
  await checkPulled(scene, name, number);
}

async function checkPulled(scene: Scene, name: string, number?: number): Promise<void> {
  if (number !== undefined) await checkImage(scene.store, name, number);
  else {
    const store = await ContentStore.open(scene.store);
    const found = await store.resolve(name);
    if (found?.digest !== LARGE.descriptor.digest) throw new Broken(`"${name}" is wrong`);
  }
  await checkStore(scene.store);
}
