import { serveRegistry } from "../../registry/mod.ts";
import type { Act } from "../act.ts";
import { imageContent, repository, SMALL } from "../images.ts";
import { Broken, namesIn, type Scene } from "../scene.ts";
import { checkImage, checkStore, checkTree } from "../store_checks.ts";
import { pullInto } from "../stored.ts";
import { winnerOf } from "./race_track.ts";

/** Some of the races between threads, with real processes. */
export const PROCESS_RACE_ACT: Act = { name: "race commands", weight: 2, play };

async function play(scene: Scene): Promise<void> {
  await using registry = await serveRegistry(imageContent());
  const names = SMALL.map((number) => `${registry.host}/${repository(number)}:1`);
  const [race, run] = scene.random.pick(
    [
      ["first use", firstUse],
      ["one directory", oneDirectory],
      ["removal", removal],
    ] as const,
  );
  await run(scene, names);
  scene.count(race);
  await checkStore(scene.store);
}

/** Processes that are the first to use a store. */
async function firstUse(scene: Scene, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => scene.oci(["pull", "--json", name])));
  for (const [i, name] of names.entries()) await checkImage(scene.store, name, SMALL[i] ?? 0);
}

/** Processes that unpack different images into one directory, or bundle them: one wins. */
async function oneDirectory(scene: Scene, names: readonly string[]): Promise<void> {
  const out = scene.path("out");
  const isBundle = scene.random.chance(0.5);
  const words = isBundle ? ["bundle", "--bundler", "uncompressed"] : ["unpack"];
  const results = await Promise.all(
    names.slice(0, 3).map((name) => scene.oci([...words, "--json", name, out], { codes: [0, 1] })),
  );
  const winner = winnerOf(results.map(({ code }) => code === 0));
  await checkTree(isBundle ? `${out}/rootfs` : out, SMALL[winner] ?? 0);
  if (isBundle) await scene.oci(["unbundle", out]);
}

/** A name is removed and its content pruned during an unpack. */
async function removal(scene: Scene, names: readonly string[]): Promise<void> {
  const [name = "", other = ""] = names;
  for (const stored of [name, other]) await pullInto(scene.store, stored);
  const out = scene.path("out");
  const [unpacked] = await Promise.all([
    scene.oci(["unpack", "--policy", "never", "--json", name, out], { codes: [0, 1] }),
    scene.oci(["rm", "--prune", "--json", name]),
  ]);
  if (unpacked.code === 0) await checkTree(out, SMALL[0] ?? 0);
  else if ((await namesIn(out)).length > 0) throw new Broken("a refused unpack left files");
  await checkImage(scene.store, other, SMALL[1] ?? 0);
}
