import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serveRegistry } from "../../../../registry/mod.ts";
import {
  faultyRegistry,
  on,
  stall,
  tokenAuth,
  withHeaders,
  wrongByte,
} from "../../../_support/faulty_registry.ts";
import { buildImage, buildIndex, type BuiltImage, MemoryContent } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { posixTest } from "../../../_support/skip.ts";
import { file, noise, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

function image(platform: string, ...texts: readonly string[]): BuiltImage {
  const layers = texts.map((text, i) => tar(file(`file${i}`, text)));
  return buildImage({ layers, platform });
}

Deno.test("oci pull prints each reference with its digest", async () => {
  await using dir = await makeTempDir();
  const [one, two] = [image("linux/amd64", "one"), image("linux/amd64", "two")];
  const content = new MemoryContent().add("a/one", "1", one).add("two", "latest", two);
  await using server = await serveRegistry(content);

  const { code, stdout, stderr } = await runOci(
    [
      "pull",
      "--store",
      dir.path,
      `${server.host}/a/one:1`,
      `${server.host}/two`,
      "--platform=linux/amd64",
    ],
  );

  assertEquals({ code, stdout }, {
    code: 0,
    stdout: `${server.host}/a/one:1@${one.descriptor.digest}\n` +
      `${server.host}/two:latest@${two.descriptor.digest}\n`,
  });
  assertMatch(stderr, /sha256:[0-9a-f]{12} fetched/);
});

Deno.test("oci pull --json prints one document, and whether the image was cached", async () => {
  await using dir = await makeTempDir();
  const [amd64, arm64] = [image("linux/amd64", "base", "a"), image("linux/arm64", "base", "b")];
  const index = buildIndex([amd64, arm64]);
  await using server = await serveRegistry(new MemoryContent().add("app", "1", index));
  const pull = async (platform: string) => {
    const args = ["pull", "--json", "-q", "--platform", platform, `${server.host}/app:1`];
    return await runOci(args, { env: { OCI_STORE: dir.path } });
  };

  const first = await pull("linux/amd64");
  const second = await pull("linux/arm64");

  assertEquals([first.code, first.stderr, second.code, second.stderr], [0, "", 0, ""]);
  const described = (image: BuiltImage, ...statuses: readonly string[]) => [{
    reference: `${server.host}/app:1`,
    digest: index.descriptor.digest,
    mediaType: index.descriptor.mediaType,
    platform: `${image.platform.os}/${image.platform.architecture}`,
    size: image.layers.reduce(
      (sum, layer) => sum + layer.descriptor.size,
      image.config.descriptor.size,
    ),
    layers: image.layers.map(({ descriptor: { digest, size, mediaType }, diffId }, i) => {
      return { digest, diffId, size, mediaType, status: statuses[i] };
    }),
  }];
  assertEquals(JSON.parse(first.stdout), described(amd64, "fetched", "fetched"));
  assertEquals(JSON.parse(second.stdout), described(arm64, "cached", "fetched"));
});

Deno.test("oci pull refuses a path to pull into, but no image with such a name", async () => {
  await using dir = await makeTempDir();
  const built = image("linux/amd64", "x");
  await using server = await serveRegistry(new MemoryContent().add("app.tar", "1.tgz", built));
  const name = `${server.host}/app.tar:1.tgz`;
  const archives = ["one", "two"].map((name) => `oci-archive:${dir.join(`${name}.tar`)}`);
  const pull = (...args: readonly string[]) => runOci(["pull", "-q", ...args]);

  for (const archive of archives) assertEquals((await runOci(["copy", name, archive])).code, 0);
  const images = await pull(name, name, ...archives);
  const files = await Promise.all(["app.tar", "./app", "/app.TGZ"].map((file) => pull(name, file)));

  assertEquals([images.code, images.stdout.trim().split("\n").length], [0, 4]);
  for (const { code, stderr } of files) {
    assertEquals(code, 2);
    assertMatch(
      stderr,
      /is a path.* Write "oci copy .*(docker-archive:(app\.tar|\/app\.TGZ)|oci:\.\/app)"\n$/,
    );
  }
});

Deno.test("oci pull sends no request for an image in the store", async () => {
  await using dir = await makeTempDir();
  let requests = 0;
  const content = new MemoryContent().add("app", "1", image("linux/amd64", "x"));
  await using server = await serveRegistry(content, { onRequest: () => requests++ });
  const args = ["pull", "--store", dir.path, "--platform", "linux/amd64", `${server.host}/app:1`];
  const first = await runOci(args);
  const before = requests;

  const again = await runOci(args);
  const never = await runOci([...args, "--policy", "NEVER"]);

  assertEquals([again.code, again.stdout], [0, first.stdout]);
  assertEquals([never.code, never.stdout], [0, first.stdout]);
  assertEquals(requests, before);
  assertMatch(again.stderr, /already in the store/);
});

Deno.test("oci pull --policy never fails if the image is absent, with a remedy", async () => {
  const { code, stdout, stderr } = await runOci(
    ["pull", "--policy", "never", "localhost:1/absent:1", "--json"],
  );

  assertEquals(code, 1);
  assertMatch(stderr, /^oci: pull localhost:1\/absent:1: .*it is not in the store\. Pull it .*\n$/);
  assertEquals(JSON.parse(stdout).error.name, "NotCachedError");
});

Deno.test("oci pull --all-platforms pulls each platform, and an image of one", async () => {
  await using dir = await makeTempDir();
  const [amd64, arm64] = [image("linux/amd64", "base", "a"), image("linux/arm64", "base", "b")];
  const index = buildIndex([amd64, arm64]);
  const auth = tokenAuth();
  await using server = faultyRegistry(
    new MemoryContent().add("app", "1", index).add("single", "1", arm64),
    [on({}, auth.fault)],
  );
  const refs = [`${server.host}/app:1`, `${server.host}/single:1`];
  const env = { OCI_STORE: dir.path };

  const text = await runOci(["pull", "-q", "--all-platforms", ...refs], { env });
  const logins = auth.exchanges.length;
  const listed = await runOci(["images", "--json"], { env });
  const json = await runOci(["pull", "-q", "--all-platforms", "--json", ...refs], { env });

  assertEquals([text.code, text.stdout], [
    0,
    `${refs[0]}@${index.descriptor.digest}\n${refs[1]}@${arm64.descriptor.digest}\n`,
  ]);
  // One for each repository.
  assertEquals(logins, 2);
  const complete = JSON.parse(listed.stdout).map(
    ({ platforms }: { platforms: { complete: boolean }[] }) => platforms.map((p) => p.complete),
  );
  assertEquals(complete, [[true, true], [true]]);
  assertEquals(
    JSON.parse(json.stdout).map(({ platform }: { platform: string }) => platform),
    ["linux/amd64", "linux/arm64", "linux/arm64"],
  );
});

Deno.test("oci pull --all-platforms pulls system versions that are not in the form of an option", async () => {
  await using dir = await makeTempDir();
  // As in the bottles of Homebrew.
  const bottles = ["macOS 14.5", "macOS 15 (beta)"].map((version) => {
    return buildImage({
      layers: [tar(file("bottle", version))],
      platform: { os: "darwin", architecture: "arm64", "os.version": version },
    });
  });
  const index = buildIndex(bottles);
  await using server = await serveRegistry(new MemoryContent().add("app", "1", index));
  const env = { OCI_STORE: dir.path };

  const { code, stdout, stderr } = await runOci(
    ["pull", "-q", "--all-platforms", "--json", `${server.host}/app:1`],
    { env },
  );

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(
    JSON.parse(stdout).map(({ layers: [layer] }: { layers: { digest: string }[] }) =>
      layer?.digest
    ),
    bottles.map(({ layers: [layer] }) => layer?.descriptor.digest),
  );
});

Deno.test("oci pull copies an image from a layout", async () => {
  await using dir = await makeTempDir();
  const built = image("linux/amd64", "x");
  await using server = await serveRegistry(new MemoryContent().add("app", "1", built));
  const ref = `${server.host}/app:1`;
  await runOci(["pull", "--platform=linux/amd64", "-q", ref], { env: { OCI_STORE: dir.path } });

  const { code, stdout, stderr } = await runOci(
    ["pull", "--platform=linux/amd64", "-q", `oci:${dir.path}`],
  );

  assertEquals({ code, stdout, stderr }, {
    code: 0,
    stdout: `${ref}@${built.descriptor.digest}\n`,
    stderr: "",
  });
});

Deno.test.each([
  { options: ["--quiet"] },
  { options: ["--progress", "none"] },
  { options: ["--quiet", "--progress", "json"] },
])("oci pull says nothing on standard error with $options", async ({ options }) => {
  await using server = await serveRegistry(
    new MemoryContent().add("app", "1", image("linux/amd64", "x")),
  );

  const { code, stderr } = await runOci(
    ["pull", "--platform", "linux/amd64", `${server.host}/app:1`, ...options],
  );

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test("oci pull lists the available platforms", async () => {
  await using server = await serveRegistry(
    new MemoryContent().add("app", "1", buildIndex([image("linux/amd64", "x")])),
  );

  const { code, stderr } = await runOci(
    ["pull", "--platform", "linux/s390x", `${server.host}/app:1`],
  );

  assertEquals(code, 1);
  assertMatch(stderr, /^oci: pull .*: cannot find linux\/s390x .*linux\/amd64\. .*--platform\n$/);
});

Deno.test("oci pull rejects a wrong byte and leaves nothing visible", async () => {
  await using dir = await makeTempDir();
  const content = new MemoryContent().add("app", "1", image("linux/amd64", "x"));
  await using server = faultyRegistry(content, [on("blob", wrongByte())]);

  const { code, stdout, stderr } = await runOci(
    ["pull", "--platform", "linux/amd64", "--store", dir.path, `${server.host}/app:1`, "-q"],
  );
  const listed = await runOci(["images", "--json", "--store", dir.path]);

  assertEquals({ code, stdout }, { code: 1, stdout: "" });
  assertMatch(stderr, /^oci: pull .*: cannot accept the bytes.*; .*\n$/);
  assertEquals(JSON.parse(listed.stdout), []);
});

Deno.test("oci pull prints the causes of an error with --verbose", async () => {
  const { code, stderr } = await runOci(
    ["pull", "--verbose", "--retries", "0", "127.0.0.1:1/app:1", "-q"],
  );

  assertEquals(code, 1);
  const [line = "", ...causes] = stderr.trimEnd().split("\n");
  assertMatch(line, /^oci: pull 127\.0\.0\.1:1\/app:1: .*\. .*$/);
  assert(causes.length > 0 && causes.every((cause) => cause.startsWith("  caused by: ")), stderr);
});

Deno.test("oci pull --debug prints one line per request, without secrets", async () => {
  await using server = await serveRegistry(
    new MemoryContent().add("app", "1", image("linux/amd64", "x")),
  );

  const { code, stderr } = await runOci(
    ["pull", "--debug", "-q", "--user", "me:s3cret", "--platform", "linux/amd64"]
      .concat(`${server.host}/app:1`),
  );

  assertEquals(code, 0);
  assertStringIncludes(stderr, `GET ${server.url}/v2/app/manifests/1`);
  assert(!stderr.includes("s3cret"), stderr);
});

Deno.test("oci pull --verbose shows the remaining rate limit", async () => {
  const limits = { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "99;w=21600" };
  await using registry = faultyRegistry(
    new MemoryContent().add("app", "1", image("linux/amd64", "x")),
    [on("manifest", withHeaders(limits))],
  );
  const args = ["pull", "-q", "--platform", "linux/amd64", `${registry.host}/app:1`];

  const quiet = await runOci(args);
  const verbose = await runOci([...args, "--verbose"]);

  assertEquals([quiet.stderr, verbose.stderr], [
    "",
    `oci: rate limit of ${registry.host}: 99;w=21600 of 100;w=21600 left\n`,
  ]);
});

Deno.test("oci pull does not print a password in a reference", async () => {
  const { code, stdout, stderr } = await runOci(["pull", "--json", "me:s3cret@h.io/app:1"]);

  assertEquals(code, 2);
  assertMatch(stderr, /^oci: pull me:\*\*\*@h\.io\/app:1: /);
  assert(!(stdout + stderr).includes("s3cret"), stderr);
});

for (
  const { signal, exitCode } of [
    { signal: "SIGINT", exitCode: 130 },
    { signal: "SIGTERM", exitCode: 143 },
  ] as const
) {
  posixTest({
    name: `oci pull ends with ${exitCode} on ${signal} and resumes the next time`,
    fn: async () => {
      await using dir = await makeTempDir();
      const built = buildImage({
        layers: [{ tar: tar(file("noise", noise(4_000_000))), compression: "none" }],
        platform: "linux/amd64",
      });
      const layer = built.layers[0]?.descriptor;
      const content = new MemoryContent().add("app", "1", built);
      await using server = faultyRegistry(content);
      server.add(on({ kind: "blob", path: new RegExp(layer?.digest ?? "") }, stall(2_000_000)));
      const args = ["pull", "--platform", "linux/amd64", "--store", dir.path, "--json"]
        .concat(`${server.host}/app:1`);

      const stopped = await runOci([...args, "--progress", "json"], {
        onStart: (child) => void killWhenStored(child, dir.join("ingest"), signal),
      });
      const partial = await partialBytes(dir.join("ingest"));
      server.heal();
      const before = server.bytesSent("blob");
      const again = await runOci(args);

      assertEquals(stopped.code, exitCode);
      const { kind, problem } = JSON.parse(stopped.stderr.trimEnd().split("\n").at(-1) ?? "");
      assertEquals([kind, problem], ["error", `interrupted by ${signal}`]);
      assertEquals(JSON.parse(stopped.stdout).error.name, "InterruptedError");
      assert(partial > 0, "what had come is kept");
      assertEquals([again.code, JSON.parse(again.stdout)[0].digest], [0, built.descriptor.digest]);
      assert(server.bytesSent("blob") - before <= 4_100_000 - partial, "only the rest was sent");
    },
  });
}

/** Sends a signal as soon as something of a layer has been stored. */
async function killWhenStored(
  child: Deno.ChildProcess,
  directory: string,
  signal: Deno.Signal,
): Promise<void> {
  const ended = child.status.then(() => true);
  while (await partialBytes(directory) === 0) {
    if (await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10, false))])) {
      return;
    }
  }
  child.kill(signal);
}

async function partialBytes(directory: string): Promise<number> {
  let bytes = 0;
  try {
    for await (const { name } of Deno.readDir(directory)) {
      bytes += (await Deno.stat(`${directory}/${name}`)).size;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return bytes;
}

Deno.test("oci pull refuses an image for another platform with --strict-platform", async () => {
  await using registry = await serveRegistry(new MemoryContent().add("app", "1", buildImage()));
  await using dir = await makeTempDir();
  const args = ["pull", "--platform=linux/arm64", `--store=${dir.path}`, `${registry.host}/app:1`];

  const loose = await runOci(args);
  const strict = await runOci([...args, "--strict-platform"]);

  assertEquals([loose.code, strict.code], [0, 1]);
  assertStringIncludes(loose.stderr, "is for linux/amd64, not for linux/arm64");
  assertStringIncludes(strict.stderr, "it has linux/amd64. Choose one with --platform");
});

Deno.test("oci pull warns of a tag that has moved with --check-tag", async () => {
  const [old, now] = [buildImage({ config: { Cmd: ["1"] } }), buildImage()];
  const content = new MemoryContent().add("app", "0", old).add("app", "1", now);
  await using registry = await serveRegistry(content);
  await using dir = await makeTempDir();
  const { digest } = old.descriptor;
  const name = `${registry.host}/app:1@${digest}`;
  const args = ["pull", "--platform=linux/amd64", `--store=${dir.path}`, "-q", name];

  const plain = await runOci(args);
  const checked = await runOci([...args, "--check-tag"]);

  assertEquals([plain.code, plain.stderr, checked.code], [0, "", 0]);
  assertStringIncludes(
    checked.stderr,
    `"${registry.host}/app:1" now resolves to ${now.descriptor.digest}, not ${digest}`,
  );
});
