import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { on, stall } from "../../_support/faulty_registry.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { makeScene } from "../_client.ts";

Deno.test("RemoteClient notices silence also in a program that does nothing else", async () => {
  await using scene = makeScene([on("blob", stall(1000))]);
  await using dir = await makeTempDir();
  const module = new URL("../../../registry/mod.ts", import.meta.url).href;
  const script = dir.join("pull.ts");
  await Deno.writeTextFile(
    script,
    `import { parseReference, RemoteClient } from ${JSON.stringify(module)};
    const reference = parseReference(${JSON.stringify(`${scene.registry.host}/a/b`)});
    using client = new RemoteClient({ credentials: "none", stallTimeoutMs: 100, retries: 0 });
    const stream = await client.blob(reference, ${JSON.stringify(scene.blob.descriptor)});
    await new Response(stream).bytes().catch((error) => console.log(error.reason));`,
  );
  const config = fromFileUrl(new URL("../../../deno.json", import.meta.url));

  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-net=127.0.0.1", `--config=${config}`, script],
    signal: AbortSignal.timeout(20_000),
  }).output();

  assert(success, new TextDecoder().decode(stderr));
  assertEquals(new TextDecoder().decode(stdout), "stalled\n");
});
