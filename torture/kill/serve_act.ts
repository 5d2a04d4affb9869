import { copy } from "../../cache/mod.ts";
import { RemoteClient, serveRegistry } from "../../registry/mod.ts";
import { kill } from "../../tests/_support/process.ts";
import { type Act, Broken } from "../act.ts";
import { imageContent, IMAGES, repository } from "../images.ts";
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
    await serve(scene, async (host, child) => {
      const signal = random.pick(["SIGKILL", "SIGKILL", "SIGTERM"] as const);
      const timer = setTimeout(() => kill(child, signal), random.below(400));
      try {
        await push(host);
        scene.count("pushed first");
      } catch (error) {
        if (error instanceof TypeError) throw error;
        scene.count(`${signal} in time`);
      }
      clearTimeout(timer);
    });
  }
  await serve(scene, async (host) => {
    await push(host);
    for (const number of numbers) {
      await checkSource(scene, `${host}/${repository(number)}:1`, number);
    }
  });
  await checkHealth(scene.store);
  for (const number of numbers) {
    await checkImage(scene.store, `localhost/${repository(number)}:1`, number);
  }
  // Unfinished uploads of killed servers go with the first upload of the next one.
  const left = (await leftIn(scene.store)).filter((file) => file.startsWith("ingest/"));
  if (left.length > 0) throw new Broken(`left in the store: ${left}`);
}

/** Serves the store while a function runs. */
async function serve(
  scene: Scene,
  use: (host: string, child: Deno.ChildProcess) => Promise<void>,
): Promise<void> {
  const started = Promise.withResolvers<Deno.ChildProcess>();
  const lines = scene.lines(["serve", "--listen", "127.0.0.1:0"], started.resolve);
  const { value } = await lines.next();
  const child = await started.promise;
  const [url] = /http:\S+/.exec(value ?? "") ?? [];
  if (url === undefined) throw new Broken(`oci serve wrote ${value}`);
  try {
    await use(new URL(url).host, child);
  } finally {
    kill(child, "SIGTERM");
    for await (const _ of lines);
  }
  const { code } = await child.status;
  if (code !== 143 && code !== 137) throw new Broken(`oci serve ended with ${code}`);
}
