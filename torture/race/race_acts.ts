/**
 * Short races of two to five threads, many rounds each time.
 *
 * @module
 */
import { serveRegistry } from "../../registry/mod.ts";
import { removeTree } from "../../store/host/remove_tree.ts";
import { ContentStore, removeBundle } from "../../store/mod.ts";
import { buildImage } from "../../tests/_support/image.ts";
import type { Act } from "../act.ts";
import { imageContent, repository, SMALL } from "../images.ts";
import { chooseBundler } from "../mount_namespace.ts";
import { Broken, namesIn, type Scene } from "../scene.ts";
import { checkHealth, checkImage, checkStore, checkTree } from "../store_checks.ts";
import { pullInto } from "../stored.ts";
import { RaceTrack, winnerOf } from "./race_track.ts";
import type { Outcome, Task } from "./racer.ts";

/** One round of a race. */
interface Round {
  readonly scene: Scene;
  readonly track: RaceTrack;
  /** The store of this round. */
  readonly store: string;
  /** References of the images. */
  readonly names: readonly string[];
  /** Returns a path that no other round has. */
  readonly path: (name: string) => string;
}

/** Time after which no round starts. */
const MAX_RACES_MS = 300_000;
/** Time after which a round counts as hanging, even on a busy machine. */
const ROUND_MS = 180_000;

/** Acts that race. */
export const RACE_ACTS: readonly Act[] = [
  raceAct("race first use", firstUse),
  raceAct("race first pulls", firstPulls),
  raceAct("race tarballs", tarballs),
  raceAct("race unpack", twoUnpacks),
  raceAct("race bundle", twoBundles),
  raceAct("race rm and unpack", removalDuringUnpack),
  raceAct("race prune", pruneDuringAll),
];

function raceAct(name: string, run: (round: Round) => Promise<void>): Act {
  return {
    name,
    deadlineMs: MAX_RACES_MS + 2 * ROUND_MS,
    play: async (scene) => {
      await using registry = await serveRegistry(imageContent());
      using track = new RaceTrack(scene.signal);
      const names = SMALL.map((number) => `${registry.host}/${repository(number)}:1`);
      const end = performance.now() + MAX_RACES_MS;
      for (let i = 0; i < scene.rounds && performance.now() < end; i++) {
        scene.signal.throwIfAborted();
        const path = (name: string) => scene.path(`${name}-${i}`);
        const store = path("store");
        await within(ROUND_MS, run({ scene, track, store, names, path }));
        await removeTree(store);
        for (const out of await namesIn(scene.path())) {
          if (out.endsWith(`-${i}`)) await removeTree(scene.path(out));
        }
        scene.count("races");
      }
    },
  };
}

/** Throws if a round takes too long. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Broken(`a round takes more than ${ms} ms`)), ms);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Threads that are the first to use a store: no name is lost. */
async function firstUse({ scene, track, store }: Round): Promise<void> {
  const images = Array.from(
    { length: scene.random.between(2, 5) },
    (_, i) => buildImage({ config: { Cmd: [`${i}`] } }),
  );
  const tasks = images.map(({ bytes }, i): Task => ({
    do: "tag",
    name: `a.example/b:${i}`,
    bytes,
  }));
  requireSuccess(await track.run(store, tasks));
  const references = await (await ContentStore.open(store)).references();
  if (references.length !== images.length) throw new Broken(`${references.length} names are there`);
  for (const { descriptor } of images) {
    const blob = await (await ContentStore.open(store)).readBlob(descriptor);
    if (blob === undefined) throw new Broken(`${descriptor.digest} is not there`);
  }
}

/** Threads that pull images with a common base into a new store. */
async function firstPulls({ scene, track, store, names }: Round): Promise<void> {
  const numbers = Array.from({ length: 4 }, () => scene.random.below(names.length));
  requireSuccess(
    await track.run(store, numbers.map((number) => ({ do: "pull", name: names[number] ?? "" }))),
  );
  for (const number of new Set(numbers)) {
    await checkImage(store, names[number] ?? "", imageNumber(number));
  }
  await checkStore(store);
}

/** Threads that decompress the same layers. */
async function tarballs({ track, store, names, path }: Round): Promise<void> {
  const [name = ""] = names;
  await pullInto(store, name);
  const outs = ["a", "b", "c"].map(path);
  requireSuccess(
    await track.run(store, outs.map((out) => ({ do: "bundle", name, out, kind: "uncompressed" }))),
  );
  for (const out of outs) await checkTree(`${out}/rootfs`, imageNumber(0));
  const left = (await namesIn(`${store}/tarballs/sha256`)).filter((name) => name.includes("."));
  if (left.length > 0) throw new Broken(`left of the tarballs: ${left}`);
  for (const out of outs) await removeBundle(store, out);
  await checkStore(store);
}

/** Threads that unpack different images into one directory: one wins. */
async function twoUnpacks({ track, store, names, path }: Round): Promise<void> {
  const out = path("out");
  for (const name of names.slice(0, 2)) await pullInto(store, name);
  const tasks = names.slice(0, 2).map((name): Task => ({ do: "unpack", name, out }));
  await checkTree(out, imageNumber(winner(await track.run(store, tasks))));
  await checkStore(store);
}

/** Threads that bundle different images in one directory: one wins. */
async function twoBundles({ scene, track, store, names, path }: Round): Promise<void> {
  const out = path("box");
  const kind = chooseBundler(scene.random);
  for (const name of names.slice(0, 2)) await pullInto(store, name);
  const tasks = names.slice(0, 2).map((name): Task => ({ do: "bundle", name, out, kind }));
  await checkTree(`${out}/rootfs`, imageNumber(winner(await track.run(store, tasks))));
  await removeBundle(store, out);
  await checkStore(store);
}

/** A name is removed and its content pruned during an unpack, which succeeds or is refused. */
async function removalDuringUnpack({ scene, track, store, names, path }: Round): Promise<void> {
  const [name = "", other = ""] = names;
  for (const stored of [name, other]) await pullInto(store, stored);
  const out = path("out");
  const [unpacked, ...rest] = await track.run(store, [
    { do: "unpack", name, out },
    { do: "rm", name },
    ...scene.random.chance(0.5) ? [{ do: "prune" } as const] : [],
  ]);
  requireSuccess(rest);
  if (unpacked?.ok) {
    scene.count("unpacked");
    await checkTree(out, imageNumber(0));
  } else {
    scene.count("refused");
    if (unpacked?.name !== "NotCachedError") throw new Broken(unpacked?.message);
    if ((await namesIn(out)).length > 0) throw new Broken("a refused unpack left files");
  }
  await checkImage(store, other, imageNumber(1));
  await checkStore(store);
}

/** Pruning during pulls, unpacks and bundles: no named or used content is lost. */
async function pruneDuringAll({ scene, track, store, names, path }: Round): Promise<void> {
  const [first = "", second = "", third = "", fourth = ""] = names;
  for (const name of [first, second]) await pullInto(store, name);
  // Some of the next pull is already in the store, without a name.
  if (scene.random.chance(0.5)) {
    await pullInto(store, third);
    await (await ContentStore.open(store)).untag([third]);
  }
  const [box, out] = [path("box"), path("out")];
  const kind = chooseBundler(scene.random);
  requireSuccess(
    await track.run(store, [
      { do: "prune" },
      { do: "pull", name: third },
      { do: "bundle", name: first, out: box, kind },
      scene.random.chance(0.5) ? { do: "pull", name: fourth } : { do: "unpack", name: second, out },
      { do: "prune" },
    ]),
  );
  await checkTree(`${box}/rootfs`, imageNumber(0));
  for (const [number, name] of [first, second, third].entries()) {
    await checkImage(store, name, imageNumber(number));
  }
  await removeBundle(store, box);
  await checkHealth(store);
  await checkStore(store);
}

/** Returns the number of an image by its position among the names of a race. */
function imageNumber(position: number): number {
  return SMALL[position] ?? 0;
}

function requireSuccess(outcomes: readonly Outcome[]): void {
  for (const outcome of outcomes) if (!outcome.ok) throw new Broken(outcome.message);
}

/** Returns which of two threads has won; the other must have been refused. */
function winner(outcomes: readonly Outcome[]): number {
  const odd = outcomes.find((outcome) => !outcome.ok && outcome.name.includes("unexpected"));
  if (odd !== undefined && !odd.ok) throw new Broken(odd.message);
  return winnerOf(outcomes.map(({ ok }) => ok));
}
