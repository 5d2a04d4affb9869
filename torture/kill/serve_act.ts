import { copy } from "../../cache/mod.ts";
import { RemoteClient, serveRegistry } from "../../registry/mod.ts";
import { serve, type Served } from "../../tests/_support/oci_serve.ts";
import type { Act } from "../act.ts";
import { imageContent, IMAGES, repository } from "../images.ts";
import { Broken } from "../scene.ts";
import type { Scene } from "../scene.ts";
import { checkHealth, checkImage, leftIn } from "../store_checks.ts";
import { checkSource } from "../stored.ts";

/** Kills `oci serve` while images are pushed to it, and pushes them again after a restart. */
export const SERVE_ACT: Act = { name: "kill serve", play };

async function play(scene: Scene): Promise<void> {
  const { random } = scene;
  await using origin = await serveRegistry(imageContent());
  const numbers = random.sample(IMAGES.map((_, number) => number), 2);
  const push = async (host: string) => {
    using client = new RemoteClient({ credentials: "none", retries: 1 });
    await Promise.all(numbers.map(async (number) => {
      const name = `${repository(number)}:1`;
      await copy(`${origin.host}/${name}`, `${host}/${name}`, { client });
    }));
  };
  for (let times = random.between(1, 2); times > 0; times--) {
    const server = await serve(scene.store);
    const signal = random.pick(["SIGKILL", "SIGKILL", "SIGTERM"] as const);
    const delayMs = random.below(400);
    const stopped = new Promise((resolve) => setTimeout(resolve, delayMs))
      .then(() => stop(server, signal));
    try {
      await push(new URL(server.url).host);
      scene.count("pushed first");
    } catch (error) {
      if (error instanceof TypeError) throw error;
      scene.count(`${signal} in time`);
    }
    await stopped;
  }
  const server = await serve(scene.store);
  const { host } = new URL(server.url);
  try {
    await push(host);
    for (const number of numbers) {
      await checkSource(scene, `${host}/${repository(number)}:1`, number);
    }
  } finally {
    await stop(server, "SIGTERM");
  }
  await checkHealth(scene.store);
  for (const number of numbers) {
    await checkImage(scene.store, `localhost/${repository(number)}:1`, number);
  }
  // Unfinished uploads of killed servers go with the first upload of the next one.
  const left = (await leftIn(scene.store)).filter((file) => file.startsWith("ingest/"));
  if (left.length > 0) throw new Broken(`left in the store: ${left}`);
}

async function stop(server: Served, signal: Deno.Signal): Promise<void> {
  const { code } = await server.stop(signal);
  if (code !== 143 && code !== 137) throw new Broken(`oci serve ended with ${code}`);
}
