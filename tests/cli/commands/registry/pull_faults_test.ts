import { assert, assertEquals, assertLess, assertLessOrEqual, assertMatch } from "@std/assert";
import { walk } from "@std/fs";
import {
  basicAuth,
  cut,
  digestHeader,
  endless,
  extraBytes,
  type FaultRule,
  type FaultyRegistry,
  faultyRegistry,
  missingBytes,
  on,
  oversized,
  type RawResponse,
  registryError,
  stall,
  trickle,
  wrongByte,
  wrongLength,
} from "../../../_support/faulty_registry.ts";
import {
  buildImage,
  buildIndex,
  type Built,
  MemoryContent,
  nestedIndex,
} from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { file, noise, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

const MIB = 1024 * 1024;

/** An image with an incompressible layer. */
function imageOf(layerBytes: number): Built {
  return buildImage({
    layers: [{ tar: tar(file("noise", noise(layerBytes))), compression: "none" }],
    platform: "linux/amd64",
  });
}

/** The files of a store that its readers see. */
async function visible(store: string): Promise<readonly string[]> {
  const paths: string[] = [];
  try {
    for await (const { path } of walk(store, { includeDirs: false })) {
      if (!/\/(ingest|locks)\//.test(path)) paths.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return paths.sort();
}

interface FaultCase {
  readonly name: string;
  readonly rules?: readonly FaultRule[];
  readonly image?: Built;
  readonly flags?: readonly string[];
  readonly error: string;
  readonly message: RegExp;
}

const CASES: readonly FaultCase[] = [
  {
    name: "a wrong byte in a layer",
    rules: [on("blob", wrongByte(1000))],
    error: "DigestMismatchError",
    message: /their digest is sha256:/,
  },
  {
    name: "a wrong byte in a manifest",
    rules: [on({ kind: "manifest", method: "GET" }, wrongByte(20))],
    error: "DigestMismatchError",
    message: /their digest is sha256:/,
  },
  {
    name: "a short layer",
    rules: [on("blob", missingBytes(10))],
    error: "DigestMismatchError|NetworkError|RegistryError",
    message: /bytes/,
  },
  {
    name: "a layer with a surplus byte",
    rules: [on("blob", extraBytes(1))],
    error: "DigestMismatchError|RegistryError",
    message: /bytes/,
  },
  {
    name: "a length that is too large",
    rules: [on({ kind: "blob", method: "GET" }, wrongLength(5))],
    error: "NetworkError|RegistryError|DigestMismatchError",
    message: /./,
  },
  {
    name: "a manifest over the limit",
    rules: [on({ kind: "manifest", method: "GET" }, oversized(5 * MIB))],
    error: "LimitError",
    message: /4194304/,
  },
  {
    name: "a manifest without end",
    rules: [on({ kind: "manifest", method: "GET" }, endless())],
    error: "LimitError",
    message: /4194304/,
  },
  {
    name: "an index nested too deep",
    image: nestedIndex(9, imageOf(10)),
    error: "LimitError",
    message: /8/,
  },
  {
    name: "a missing platform",
    image: buildIndex([imageOf(10)]),
    flags: ["--platform=linux/s390x"],
    error: "PlatformError",
    message: /linux\/s390x.*linux\/amd64/,
  },
  {
    name: "a wrong password",
    rules: [on("manifest", basicAuth({ ann: "right" }))],
    flags: ["--user=ann:wrong"],
    error: "AuthError",
    message: /log in with "docker login|credential/,
  },
  {
    name: "a missing repository",
    rules: [on("manifest", registryError(404, "NAME_UNKNOWN"))],
    error: "NotFoundError",
    message: /404|not|exist/,
  },
  {
    name: "a digest header that lies about a tag",
    rules: [on("manifest", digestHeader(`sha256:${"0".repeat(64)}`))],
    error: "DigestMismatchError",
    message: /sha256:0{64}/,
  },
];

for (const { name, rules = [], image = imageOf(100_000), flags = [], error, message } of CASES) {
  Deno.test(`oci pull refuses ${name}, and keeps nothing of it`, async () => {
    await using store = await makeTempDir();
    await using registry = faultyRegistry(new MemoryContent().add("app", "1", image), rules);
    const before = await visible(store.path);

    const { code, stdout, stderr } = await runOci([
      ...["pull", "--json", "--store", store.path, "--retries=1"],
      ...flags.some((flag) => flag.startsWith("--platform")) ? [] : ["--platform=linux/amd64"],
      ...flags,
      `${registry.host}/app:1`,
    ]);

    assertEquals(code, 1, stderr);
    const failure = JSON.parse(stdout).error;
    assertMatch(failure.name, new RegExp(`^(${error})$`));
    assertMatch(failure.message, message);
    assertMatch(stderr, /oci: pull 127\.0\.0\.1:\d+\/app:1: /);
    const references = (await visible(store.path)).filter((path) => !before.includes(path));
    const index = references.find((path) => path.endsWith("index.json"));
    assertEquals(index ? JSON.parse(await Deno.readTextFile(index)).manifests : [], []);
  });
}

Deno.test("oci pull names an unknown host", async () => {
  const { code, stdout } = await runOci([
    ...["pull", "--json", "--retries=0", "registry.invalid/app:1"],
  ]);

  assertEquals(code, 1);
  const { error } = JSON.parse(stdout);
  assertEquals(error.name, "NetworkError");
  assertMatch(error.message, /registry\.invalid/);
});

Deno.test("oci pull downloads every byte once over a connection that breaks after each MiB", async () => {
  const image = imageOf(24 * MIB);
  const content = new MemoryContent().add("app", "1", image);
  await using registry = faultyRegistry(content, [on({ kind: "blob", method: "GET" }, cut(MIB))]);

  const { code, stderr } = await runOci([
    "pull",
    `${registry.host}/app:1`,
    "--platform=linux/amd64",
    // On a busy machine, another connection would take over from one that looks stalled.
    "--connections=1",
  ]);

  assertEquals(code, 0, stderr);
  assertLessOrEqual(registry.bytesSent("blob"), 24 * MIB * 1.05);
});

/** A registry with an image of 16 MiB, which it sends slowly. */
function slowRegistry(): FaultyRegistry {
  const content = new MemoryContent().add("app", "1", imageOf(16 * MIB));
  return faultyRegistry(content, [
    on({ kind: "blob", method: "GET" }, trickle(256 * 1024, 10)),
  ]);
}

/** Kills a pull after a quarter of the image, and returns its arguments. */
async function killPull(
  store: string,
  { host }: FaultyRegistry,
  ...options: readonly string[]
): Promise<readonly string[]> {
  const args = [
    ...["pull", "--store", store, "--platform=linux/amd64", "--progress=json", ...options],
    `${host}/app:1`,
  ];
  let child: Deno.ChildProcess | undefined;
  const killed = runOci(args, { onStart: (started) => child = started });
  await until(async () => await ingested(store) > 4 * MIB);
  child?.kill("SIGKILL");
  assertEquals((await killed).signal, "SIGKILL");
  return args;
}

Deno.test("oci pull resumes a killed download", async () => {
  await using store = await makeTempDir();
  await using registry = slowRegistry();
  const args = await killPull(store.path, registry, "--connections=1");
  const kept = await ingested(store.path);
  registry.heal();
  const sentBefore = registry.requests.length;

  const again = await runOci(args);

  assertEquals(again.code, 0, again.stderr);
  const ranges = registry.requests.slice(sentBefore).map(({ headers }) => headers.get("range"));
  const offset = Math.max(...ranges.map((range) => Number(/\d+/.exec(range ?? "0")?.[0])));
  assert(kept > 4 * MIB, "the part stayed");
  assertEquals(offset, kept, "the second run asked for the rest alone");
});

Deno.test("oci pull resumes the ranges of a killed download", async () => {
  await using store = await makeTempDir();
  await using registry = slowRegistry();
  const args = await killPull(store.path, registry);
  registry.heal();
  const sentBefore = registry.requests.length;

  // Several connections may fetch bytes twice on a busy machine.
  const again = await runOci([...args, "--connections=1"]);

  assertEquals(again.code, 0, again.stderr);
  const sent = registry.requests.slice(sentBefore)
    .filter(({ kind, headers }) => kind === "blob" && headers.has("range"))
    .reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  assertLess(sent, 14 * MIB);
  assertEquals(await ingested(store.path), 0);
});

Deno.test("oci pull that is interrupted exits 130 and leaves no reference", async () => {
  await using store = await makeTempDir();
  const content = new MemoryContent().add("app", "1", imageOf(MIB));
  await using registry = faultyRegistry(content, [on("blob", stall(1000))]);
  let child: Deno.ChildProcess | undefined;
  const args = ["pull", "--store", store.path, `${registry.host}/app:1`, "--platform=linux/amd64"];
  const running = runOci(args, { onStart: (started) => child = started });
  await until(() => Promise.resolve(registry.seen("blob").length > 0));
  child?.kill("SIGINT");

  const { code, stdout } = await running;

  assertEquals([code, stdout], [130, ""]);
});

/** Bytes in the parts of a store. */
async function ingested(store: string): Promise<number> {
  let bytes = 0;
  try {
    for await (const { name } of Deno.readDir(`${store}/ingest`)) {
      const { size, blocks } = await Deno.stat(`${store}/ingest/${name}`);
      // A part that is downloaded in ranges has holes.
      bytes += Math.min(size, (blocks ?? Infinity) * 512);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return bytes;
}

/** Waits for another process, at most four minutes. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const signal = AbortSignal.timeout(240_000);
  while (!await holds()) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test.each([{ pulledBefore: false }, { pulledBefore: true }])(
  "oci pull --all-platforms pulls the platforms of one index if the tag moves, after a pull: $pulledBefore",
  async ({ pulledBefore }) => {
    await using dir = await makeTempDir();
    const [first, second] = ["a", "b"].map((text) => {
      const platforms = ["linux/amd64", "linux/arm64"] as const;
      return buildIndex(platforms.map((platform) => {
        return buildImage({ layers: [tar(file(text, platform))], platform });
      }));
    });
    assert(first !== undefined && second !== undefined);
    const content = new MemoryContent().add("app", "1", first);
    const move = async (_: Request, next: () => Promise<RawResponse>) => {
      const response = await next();
      content.add("app", "1", second);
      return response;
    };
    await using server = faultyRegistry(content, [
      on({ kind: "manifest", path: /\/manifests\/1$/ }, move),
    ]);
    const [env, ref] = [{ OCI_STORE: dir.path }, `${server.host}/app:1`];
    if (pulledBefore) await runOci(["pull", "-q", "--platform", "linux/amd64", ref], { env });

    const { stdout, stderr } = await runOci(["pull", "--all-platforms", "--json", ref], { env });
    const listed = await runOci(["images", "--json"], { env });

    const { digest } = (pulledBefore ? second : first).descriptor;
    // The resolution of the digest counts as a part of the pull.
    assertEquals(/incomplete/.test(stderr), false, stderr);
    assertEquals(JSON.parse(stdout).map((image: { digest: string }) => image.digest), [
      digest,
      digest,
    ]);
    assertEquals(JSON.parse(listed.stdout).map((image: { digest: string }) => image.digest), [
      digest,
    ]);
  },
);
