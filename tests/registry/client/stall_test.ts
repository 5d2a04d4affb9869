import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { NetworkError, parseReference } from "../../../registry/mod.ts";
import {
  type FaultRule,
  faultyRegistry,
  on,
  registryError,
  stall,
  tokenAuth,
  trickle,
} from "../../_support/faulty_registry.ts";
import { buildImage, buildIndex, MemoryContent } from "../../_support/image.ts";
import { ROOT, run, withModules } from "../../_support/process.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { makeScene, testClient } from "../_client.ts";
import type { StalledCall, StalledCalls } from "./_stalled_calls.ts";

Deno.test("RemoteClient notices a stall even in a program that does nothing else", async () => {
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

  const permissions = withModules(["--allow-net=127.0.0.1"]);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", ...permissions, `--config=${config}`, script],
    signal: AbortSignal.timeout(240_000),
  }).output();

  assert(success, new TextDecoder().decode(stderr));
  assertEquals(new TextDecoder().decode(stdout), "stalled\n");
});

Deno.test("RemoteClient gives up on answers that arrive byte by byte", async () => {
  const content = new MemoryContent().add("a/b", "v1", index);
  await using registry = faultyRegistry(content, [on({}, trickle(1, 20))]);
  using client = testClient({ stallTimeoutMs: 200, retries: 1 });
  const reference = parseReference(`${registry.host}/a/b:v1`);
  const { digest } = index.descriptor;
  const [layer] = image.layers;

  const calls = {
    document: () => client.document(reference),
    tags: () => Array.fromAsync(client.tags(reference)),
    referrers: () => client.referrers({ ...reference, digest }),
    blob: async () => {
      const stream = await client.blob(reference, layer?.descriptor ?? image.descriptor);
      return await new Response(stream).bytes();
    },
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await assertRejects(call, NetworkError, "less than 1024 bytes in 0.2 s", name);
    assertEquals([error.reason, error.attempts], ["stalled", 2], name);
  }
});

const image = buildImage({
  layers: [tar(file("etc/os-release", "ID=test\n"))],
  platform: "linux/amd64",
});
const index = buildIndex([image]);

/** The stalling response, by the name of the affected call. */
const STALLS: Readonly<Record<string, readonly FaultRule[]>> = {
  "token": [on("token", stall(5)), on({}, tokenAuth().fault)],
  "resolve": [on("manifest", stall())],
  "tags": [on("tags", stall(5))],
  "index": [on({ path: /manifests\/v1$/ }, stall(5))],
  "manifest": [on({ path: /manifests\/sha256/ }, stall(5))],
  "config": [on("blob", stall(5))],
  "referrers": [on("referrers", stall(5))],
  // Progress resets the count of attempts, so bytes are sent only once.
  "blob": [on({ kind: "blob", nth: 1 }, stall(1000)), on("blob", stall(0))],
  "error body": [on("manifest", stall(5)), on("manifest", registryError(404, "MANIFEST_UNKNOWN"))],
};

Deno.test.each(
  [
    { how: "gives up on", isAborted: false, flags: [] },
    { how: "gives up on, after a garbage collection,", isAborted: false, flags: ["--expose-gc"] },
    { how: "stops when aborted in", isAborted: true, flags: [] },
    {
      how: "stops when aborted, after a garbage collection, in",
      isAborted: true,
      flags: ["--expose-gc"],
    },
  ],
)("RemoteClient $how every kind of response that stalls halfway", async ({ isAborted, flags }) => {
  await using scene = makeScene();
  await using dir = await makeTempDir();
  await using stack = new AsyncDisposableStack();
  const calls = Object.entries(STALLS).map(([name, rules]) => {
    const content = new MemoryContent().add("a/b", "v1", index).addBlob("a/b", scene.blob);
    return { name, host: stack.use(faultyRegistry(content, rules)).host };
  });
  const given: StalledCalls = {
    stallTimeoutMs: 300,
    retries: 1,
    isAborted,
    calls,
    store: dir.join("store"),
    blob: scene.blob.descriptor,
  };
  const script = fromFileUrl(new URL("_stalled_calls.ts", import.meta.url));
  const v8 = flags.length === 0 ? [] : [`--v8-flags=${flags.join(",")}`];

  const { stdout, stderr } = await run(Deno.execPath(), [
    ...["run", "-A", "--no-check", `--config=${ROOT}/deno.json`, ...v8, script],
    JSON.stringify(given),
  ], { inheritEnv: true, signal: AbortSignal.timeout(240_000) });

  assert(stdout !== "", stderr);
  const { ended, isPartFree } = JSON.parse(stdout) as {
    ended: readonly StalledCall[];
    isPartFree: boolean;
  };
  const outcomes = Object.fromEntries(ended.map(({ name, outcome }) => [name, outcome]));
  const { "error body": errorBody, ...others } = outcomes;
  const expected = isAborted ? "aborted" : "stalled";
  assertEquals(new Set(Object.values(others)), new Set([expected]), stdout);
  // The status is enough if its explanation does not arrive. A busy machine may exceed the timeout
  // even for that.
  if (!isAborted) assert(errorBody === expected || errorBody?.includes("404"), stdout);
  for (const { ms } of ended) assertLess(ms, 10_000, stdout);
  assert(isPartFree, stdout);
});
