import { ContentStore } from "../../store/mod.ts";
import { faultyRegistry, on, trickle } from "../../tests/_support/faulty_registry.ts";
import type { Act } from "../act.ts";
import { imageContent, IMAGES, repository } from "../images.ts";
import { chooseBundler } from "../mount_namespace.ts";
import type { Scene } from "../scene.ts";
import { checkImage, checkStore, checkTree } from "../store_checks.ts";
import { pullInto } from "../stored.ts";

/** Runs many commands on one store at once. All succeed, and no named or used content is lost. */
export const CROWD_ACT: Act = { name: "crowd", weight: 4, play };

async function play(scene: Scene): Promise<void> {
  const { random } = scene;
  await using registry = faultyRegistry(imageContent(), [
    on("blob", trickle(256 * 1024, random.between(1, 5))),
  ]);
  const names = IMAGES.slice(0, 4).map((_, number) => `${registry.host}/${repository(number)}:1`);
  const [first = "", second = "", third = "", fourth = ""] = names;
  for (const name of [first, second]) await pullInto(scene.store, name);
  const store = await ContentStore.open(scene.store);
  const surplus = await store.resolve(first);
  if (surplus !== undefined) await store.tag("surplus.example/app:1", surplus);
  const bundler = chooseBundler(random);
  const commands: readonly (readonly string[])[] = [
    ["pull", third],
    ["pull", fourth],
    ["pull", "--policy", "always", second],
    ["prune"],
    ["prune", "--older-than", "0s"],
    ["bundle", "--bundler", bundler, first, scene.path("box")],
    ["unpack", second, scene.path("out")],
    ["save", "-o", scene.path("saved.tar"), first],
    ["export", "-o", scene.path("exported.tar"), second],
    ["rm", "surplus.example/app:1"],
    ["fsck"],
    ["images"],
  ];
  const chosen = random.sample(commands, random.between(3, 6));
  await Promise.all(chosen.map((command) => scene.oci([...command, "--json"])));
  scene.count("commands", chosen.length);

  const isChosen = (word: string) => chosen.some((command) => command.includes(word));
  for (const [number, name] of names.entries()) {
    if (number < 2 || isChosen(name)) await checkImage(scene.store, name, number);
  }
  if (isChosen(scene.path("out"))) await checkTree(scene.path("out"), 1);
  if (isChosen(scene.path("box"))) {
    await checkTree(scene.path("box", "rootfs"), 0);
    await scene.oci(["unbundle", scene.path("box")]);
  }
  await checkStore(scene.store);
}
