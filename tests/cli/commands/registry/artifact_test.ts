import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  blobOf,
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  manifestOf,
  withBlobs,
} from "../../../_support/image.ts";
import { assertGranted } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import type { RunOciOptions } from "../../../_support/process.ts";
import { file, noise, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { writableRegistry } from "../../../_support/writable_registry.ts";
import { pushBuilt } from "../../../cache/moving/_pushed.ts";

const runOci = ociSession();

const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
const CHART = buildArtifact({ artifactType: "application/x-chart", content: "chart" });

const ODD = oddArtifact();

/** An artifact whose file would be outside of any directory. */
function oddArtifact(): Built {
  const { descriptor, ...layer } = blobOf("text/plain", new Uint8Array(1));
  const annotations = { "org.opencontainers.image.title": "../odd" };
  const config = blobOf("application/vnd.oci.empty.v1+json", new TextEncoder().encode("{}"));
  return manifestOf(config, [{ ...layer, descriptor: { ...descriptor, annotations } }]);
}

/** A directory with files, and a registry with an image and two odd artifacts. */
async function makeScene() {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(writableRegistry());
  const dir = stack.use(await makeTempDir());
  await pushBuilt(registry, "app:1", IMAGE);
  await pushBuilt(registry, "chart:1", CHART);
  await pushBuilt(registry, "odd:1", ODD);
  await Deno.writeTextFile(dir.join("sbom.json"), "{}");
  await Deno.mkdir(dir.join("d"));
  await Deno.writeTextFile(dir.join("d/model"), "weights");
  const owned = stack.move();
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };
  return {
    host: registry.host,
    registry,
    dir,
    env,
    cwd: dir.path,
    oci: (args: readonly string[], options: RunOciOptions = {}) => {
      return runOci(args, { cwd: dir.path, env, ...options });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("oci artifact push and pull carry files, with names and types", async () => {
  await using scene = await makeScene();
  const { oci, host, dir } = scene;
  const ref = `${host}/thing:1`;

  const push = await oci(
    ["artifact", "push", "-q", "--type=application/x-thing", "--annotation", "k=v=w", ref]
      .concat("sbom.json:application/spdx+json", "d/model"),
  );
  const raw = JSON.parse((await oci(["inspect", "--raw", ref])).stdout);
  const pull = await oci(["artifact", "pull", "-q", ref, "out"]);
  const json = await oci(["artifact", "pull", "-q", "--json", ref, "out"]);
  const shown = await oci(["artifact", "pull", "--store", dir.join("new"), ref, "out"]);

  assertMatch(push.stdout, /^sha256:\w{64}\n$/);
  assertEquals([push.code, push.stderr], [0, ""]);
  assertEquals([raw.artifactType, raw.annotations], ["application/x-thing", { k: "v=w" }]);
  assertEquals([pull.code, pull.stdout, pull.stderr], [0, "sbom.json\nd/model\n", ""]);
  assertStringIncludes(shown.stderr, " blobs done");
  assertEquals(await Deno.readTextFile(dir.join("out/d/model")), "weights");
  assertEquals(
    JSON.parse(json.stdout).map(({ file, mediaType }: Record<string, string>) => [file, mediaType]),
    [
      ["sbom.json", "application/spdx+json"],
      ["d/model", "application/vnd.oci.image.layer.v1.tar"],
    ],
  );
});

Deno.test("oci artifact push attaches an artifact to its subject", async () => {
  await using scene = await makeScene();
  const { oci, host, registry } = scene;

  const { code, stdout, stderr } = await oci([
    ...["artifact", "push", "-q", "--type=application/x-sig", "--subject", `${host}/app:1`],
    ...[`${host}/app:sig`, "sbom.json"],
  ]);

  assertEquals([code, stderr], [0, ""]);
  const stored = await registry.content.resolve("app", "sig");
  assertEquals(stored?.digest, stdout.trim());
  const referrers = await registry.content.referrers("app", IMAGE.descriptor.digest);
  assertEquals(
    referrers.map(({ digest, artifactType }) => [digest, artifactType]),
    [[stdout.trim(), "application/x-sig"]],
  );
});

Deno.test("oci artifact push --subject to a repository leaves its tags alone", async () => {
  await using scene = await makeScene();
  const { oci, host, registry } = scene;
  await pushBuilt(registry, "app:latest", IMAGE);

  const { code, stdout, stderr } = await oci([
    ...["artifact", "push", "-q", "--subject", `${host}/app:1`, `${host}/app`, "sbom.json"],
  ]);
  const { content } = registry;

  assertEquals([code, stderr], [0, ""]);
  assertEquals((await content.resolve("app", "latest"))?.digest, IMAGE.descriptor.digest);
  const referrers = await content.referrers("app", IMAGE.descriptor.digest);
  assertEquals(referrers.map(({ digest }) => digest), [stdout.trim()]);
});

Deno.test("oci inspect describes an artifact", async () => {
  await using scene = await makeScene();
  const { oci, host } = scene;
  const ref = `${host}/thing:1`;
  await oci(["artifact", "push", "-q", "--type=application/x-thing", ref, "sbom.json"]);

  const text = await oci(["inspect", ref]);
  const json = await oci(["inspect", "--json", ref]);

  assertMatch(text.stdout, /^Artifact +application\/x-thing$/m);
  assertMatch(text.stdout, /sbom\.json$/m);
  const { artifactType, layers, manifest } = JSON.parse(json.stdout);
  assertEquals([artifactType, layers[0].file, manifest.schemaVersion], [
    "application/x-thing",
    "sbom.json",
    2,
  ]);
});

Deno.test("oci pulls, lists and saves an artifact like an image", async () => {
  await using scene = await makeScene();
  const { oci, host } = scene;
  const ref = `${host}/chart:1`;
  const { digest } = CHART.descriptor;

  const pull = await oci(["pull", "-q", ref]);
  const json = await oci(["pull", "-q", "--json", ref]);
  const images = await oci(["images", "--json"]);
  const save = await oci(["save", "-q", ref, "-o", "chart.tar"]);
  const load = await oci(["load", "--store", "other", "chart.tar"]);
  const again = await oci(["pull", "-q", "--store", "third", "oci-archive:chart.tar"]);

  assertEquals([pull.code, pull.stdout, pull.stderr], [0, `${ref}@${digest}\n`, ""]);
  const [{ layers, platform }] = JSON.parse(json.stdout);
  assertEquals([platform, layers[0].status, layers[0].diffId], ["", "cached", undefined]);
  assertEquals(JSON.parse(images.stdout)[0].digest, digest);
  assertEquals([save.code, save.stderr], [0, ""]);
  assertEquals(load.stdout, `${ref}@${digest}\n`);
  const stdin = await Deno.readFile(scene.dir.join("chart.tar"));
  const piped = await oci(["pull", "-q", "--store", "fourth", "oci-archive:-"], { stdin });
  const files = await oci(["artifact", "pull", "-q", "oci-archive:-", "out"], { stdin });
  assertEquals([piped.code, piped.stdout], [0, `${ref}@${digest}\n`], piped.stderr);
  assert(files.stderr.includes("no layer has a file name"), files.stderr);
  assertEquals(again.stdout, `${ref}@${digest}\n`, again.stderr);
});

const SBOM = buildArtifact({ artifactType: "application/x-sbom", content: "sbom" });
const CACHED_LAYER = blobOf("application/vnd.oci.image.layer.v1.tar+gzip", noise(20));
const INDEXES = [
  { of: "artifacts", index: buildIndex([CHART, SBOM]) },
  // BuildKit writes such an index for its cache.
  { of: "layers", index: buildIndex([withBlobs(CACHED_LAYER, []), withBlobs(CACHED_LAYER, [])]) },
  { of: "nothing", index: buildIndex([]) },
];
for (const { of, index } of INDEXES) {
  Deno.test(`oci pulls, saves and pushes an index of ${of}`, async () => {
    await using scene = await makeScene();
    const { oci, host, registry } = scene;
    await pushBuilt(registry, "index:1", index);
    const { digest } = index.descriptor;

    for (const option of ["--policy=always", "--all-platforms"]) {
      const { code, stdout, stderr } = await oci(["pull", "-q", option, `${host}/index:1`]);
      assertEquals([code, stdout, stderr], [0, `${host}/index:1@${digest}\n`, ""]);
    }
    const save = await oci(["save", "-q", "--store", "other", `${host}/index:1`, "-o", "i.tar"]);
    const load = await oci(["load", "-q", "--store", "third", "i.tar"]);
    const push = await oci(["push", "-q", `${host}/index:1`, `${host}/again:1`]);

    assertEquals([save.code, save.stderr], [0, ""]);
    assertEquals([load.stdout, load.stderr], [`${host}/index:1@${digest}\n`, ""]);
    assertEquals([push.stdout, push.stderr], [`${host}/again:1@${digest}\n`, ""]);
  });
}

const FAILURES = [
  { args: ["ls", "H/chart:1"], says: 'an artifact of type "application/x-chart". Get its files' },
  { args: ["unpack", "H/chart:1", "out"], says: 'with "oci artifact pull"' },
  {
    // No runtime need be installed, because the image is examined first.
    args: ["run", "--runtime", Deno.execPath(), "--bundler", "uncompressed", "H/chart:1"],
    says: 'with "oci artifact pull"',
  },
  { args: ["export", "H/chart:1", "-o", "x.tar"], says: 'with "oci artifact pull"' },
  { args: ["artifact", "pull", "H/chart:1", "out"], says: "no layer has a file name" },
  { args: ["artifact", "pull", "H/app:1", "out"], says: 'container image. Unpack it with "oci u' },
  { args: ["artifact", "push", "H/x:1", "d"], says: "it is a directory. Pack it into an archive" },
  { args: ["artifact", "push", "H/x:1", "."], says: "it is a directory. Pack it into an archive" },
  {
    args: ["artifact", "pull", "H/odd:1", "out"],
    says: "the name leads out of the directory. Report it to the author of the artifact",
  },
  {
    args: ["artifact", "push", "H/x:1", "none"],
    says: 'cannot use the file "none" of an artifact: it does not exist. Check the path',
  },
].map(({ args, says }) => ({ args: ["-q", ...args], says }));

Deno.test.each(FAILURES)("oci reports $args in one line", async ({ args, says }) => {
  await using scene = await makeScene();

  const { code, stdout, stderr } = await scene.oci(
    args.map((word) => word.replace(/^H/, scene.host)),
  );

  assertEquals([code, stdout], [1, ""]);
  assert(stderr.includes(says), stderr);
  assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
});

Deno.test("oci artifact pull fetches no layers of an image", async () => {
  await using scene = await makeScene();
  const ref = `${scene.host}/app:1`;

  const { code } = await scene.oci(["artifact", "pull", "-q", ref, "out"]);
  const { stdout } = await scene.oci(["images", "--json"]);

  assertEquals([code, JSON.parse(stdout)], [1, []]);
});

const MISUSE = [
  { args: ["artifact"], says: "is missing" },
  { args: ["artifact", "take", "a", "b"], says: "it must be push or pull" },
  { args: ["artifact", "pull", "a", "b", "c"], says: "pull needs exactly one target directory" },
  { args: ["artifact", "pull", "--type", "x", "a", "b"], says: 'are for "oci artifact push"' },
  { args: ["artifact", "push", "a", ""], says: "the file name is empty. Specify a file" },
  { args: ["artifact", "push", "--annotation", "x", "a", "b"], says: "it must be KEY=VALUE" },
];

Deno.test.each(MISUSE)("oci reports $args as misuse", async ({ args, says }) => {
  const { code, stdout, stderr } = await runOci(args);

  assertEquals([code, stdout], [2, ""]);
  assert(stderr.includes(says), stderr);
});

Deno.test("oci permissions suffices for artifact", async () => {
  await using scene = await makeScene();
  const { oci, host } = scene;

  const results = await assertGranted(oci, [
    ["artifact", "push", "-q", `${host}/p:1`, "sbom.json:text/json"],
    ["artifact", "push", "-q", "--subject", `${host}/app:1`, `${host}/app:2`, "d/model"],
    ["artifact", "push", "-q", "oci:layout:v1", "sbom.json"],
    ["artifact", "push", "-q", "oci-archive:out.tar:v1", "sbom.json"],
    ["artifact", "pull", "-q", `${host}/p:1`, "out"],
  ]);

  assertEquals(results.map(({ stderr }) => stderr).join(""), "");
});

Deno.test("oci pull --check-tag warns of the tag of an artifact that has moved", async () => {
  await using scene = await makeScene();
  const { oci, host, registry } = scene;
  const old = CHART.descriptor.digest;
  const next = buildArtifact({ artifactType: "application/x-chart", content: "next" });
  const pull = (tag: string, ...options: readonly string[]) => {
    return oci(["pull", "-q", ...options, `${host}/chart:${tag}@${old}`]);
  };
  await pushBuilt(registry, "chart:2", next);
  await pushBuilt(registry, "chart:all", buildIndex([CHART]));

  const plain = await pull("2");
  const checked = await pull("2", "--check-tag");
  const same = await pull("1", "--check-tag");
  const listed = await pull("all", "--check-tag");
  const offline = await pull("2", "--check-tag", "--policy=never");

  const runs = [plain, checked, same, listed, offline];
  assertEquals(runs.map(({ code }) => code), [0, 0, 0, 0, 0]);
  assertEquals([plain, same, listed, offline].map(({ stderr }) => stderr), ["", "", "", ""]);
  assertStringIncludes(
    checked.stderr,
    `"${host}/chart:2" now resolves to ${next.descriptor.digest}, not ${old}`,
  );
});
