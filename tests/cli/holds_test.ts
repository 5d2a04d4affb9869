/** Commands that read a stored image, while another process removes and prunes it. */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { lockLayers } from "../../store/bundles/layer_lock.ts";
import { ContentStore, prune } from "../../store/mod.ts";
import { concat } from "../_support/bytes.ts";
import { buildImage, putBlobs } from "../_support/image.ts";
import { denoEnvironment, ROOT } from "../_support/process.ts";
import { posixTest } from "../_support/skip.ts";
import { file, noise, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { writableRegistry } from "../_support/writable_registry.ts";

const NAME = "a.example/b:1";
/** More bytes than a pipe can hold. */
const LARGE = 2_000_000;
/** Enough files that their names exceed the capacity of a pipe. */
const COUNT = 6_000;

const image = buildImage({
  layers: [
    { tar: tar(file("base", noise(LARGE, 1))), compression: "none" },
    { tar: tar(file("large", noise(LARGE, 2))), compression: "none" },
    tar(...Array.from({ length: COUNT }, (_, i) => file(`${"n".repeat(90)}-${i}`, ""))),
  ],
});

/** A store with the image, and a command that uses it. */
async function begin() {
  const directory = await makeTempDir();
  const path = directory.join("store");
  const store = await ContentStore.open(path);
  await putBlobs(store, image);
  await store.tag(NAME, image.descriptor);
  return {
    directory,
    path,
    store,
    spawn: async (args: readonly string[]) => {
      return new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", `--config=${join(ROOT, "deno.json")}`, join(ROOT, "mod.ts")]
          .concat(["--store", path], args),
        cwd: directory.path,
        clearEnv: true,
        env: {
          PATH: Deno.env.get("PATH") ?? "",
          HOME: directory.path,
          ...await denoEnvironment(),
        },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    },
    /** Removes the name and prunes, as another process does. */
    removeImage: async (options: { readonly onWait?: (message: string) => void } = {}) => {
      const other = await ContentStore.open(path, options);
      await other.untag([NAME]);
      return await prune(other);
    },
    hasImage: async () => {
      const there = [...image.blobs.values()].map(({ descriptor }) => store.has(descriptor));
      return !(await Promise.all(there)).includes(false);
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

posixTest.each<{ command: readonly string[] }>([
  { command: ["export", NAME] },
  { command: ["save", NAME, "-o", "-"] },
  { command: ["cat", NAME, "large"] },
  { command: ["ls", NAME] },
  { command: ["push", NAME, "oci-archive:-"] },
  { command: ["copy", `oci:store:${NAME}`, "oci-archive:-"] },
])("oci $command.0 keeps an image that is pruned while it is written to a pipe", async (t) => {
  await using scene = await begin();
  const whole = await (await scene.spawn(t.command)).output();
  const child = await scene.spawn(t.command);
  const said = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  const { value: first = new Uint8Array() } = await reader.read();

  await scene.removeImage();
  const wasKept = await scene.hasImage();
  const chunks = [first];
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
  }

  assertEquals((await child.status).code, 0, await said);
  assert(wasKept);
  assertEquals(concat(...chunks), whole.stdout);
  // The protection ends with the command.
  await prune(scene.store);
  assert(!await scene.hasImage());
});

posixTest("oci push keeps an image that is pruned while it is sent", async () => {
  await using scene = await begin();
  let isFirst = true;
  await using registry = writableRegistry({
    interfere: async (_, next) => {
      if (isFirst) await scene.removeImage();
      isFirst = false;
      return await next();
    },
  });
  const child = await scene.spawn(["push", "-q", NAME, `${registry.host}/b:1`]);
  const { code, stderr } = await child.output();

  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assertEquals((await registry.content.resolve("b", "1"))?.digest, image.descriptor.digest);
});

posixTest("oci bundle keeps an image that is pruned before its layers are read", async () => {
  await using scene = await begin();
  const box = scene.directory.join("box");
  using stack = new DisposableStack();
  stack.use(await lockLayers({ path: scene.path, onWait: undefined }, "remove"));
  const child = await scene.spawn(
    ["bundle", "--bundler", "uncompressed", "--policy", "never", "--arg", "x", NAME, box],
  );
  const printed = new Response(child.stdout).text();
  const stderr = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("layers.lock")) {
    const { value, done } = await stderr.read();
    assert(!done, said);
    said += value;
  }
  const { promise: pruned, resolve } = Promise.withResolvers<void>();
  // Blobs are pruned before layers.
  const pruning = scene.removeImage({ onWait: () => resolve() });
  await pruned;
  stack.dispose();
  await pruning;
  for (let next = await stderr.read(); !next.done; next = await stderr.read()) said += next.value;

  assertEquals((await child.status).code, 0, said);
  assertEquals(await printed, `${box}\n`);
  assertEquals((await Deno.stat(`${box}/rootfs/base`)).size, LARGE);
});
