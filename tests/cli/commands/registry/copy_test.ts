import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Descriptor } from "../../../../spec/mod.ts";
import { REF_NAME } from "../../../../store/content/layout_index.ts";
import { faultyRegistry, on, registryError } from "../../../_support/faulty_registry.ts";
import { buildArtifact, buildImage, MemoryContent } from "../../../_support/image.ts";
import { writeLayout } from "../../../_support/peers.ts";
import { ROOT } from "../../../_support/process.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../../_support/temp.ts";
import { HERE, HOST, INDEX, makeScene, OTHER, runOci } from "./_scene.ts";

const SIGNATURE = buildArtifact({ artifactType: "application/x.sig", subject: INDEX.descriptor });

Deno.test("oci copy copies an image and prints its location", async () => {
  await using scene = await makeScene();
  const target = `${scene.registry.host}/copy:v1`;

  const { code, stdout, stderr } = await scene.oci("copy", `${scene.app}:1`, target);

  assertEquals({ code, stdout }, { code: 0, stdout: `${target}@${INDEX.descriptor.digest}\n` });
  assertMatch(stderr, /already present, or mounted/);
  assertEquals(await scene.digest("copy", "v1"), INDEX.descriptor.digest);
});

Deno.test("oci copy --json prints a document, --quiet nothing else", async () => {
  await using scene = await makeScene();
  const target = `${scene.registry.host}/copy:v1`;

  const { stdout, stderr } = await scene.oci("copy", "--json", "-q", `${scene.app}:2`, target);

  const { copied, bytes, ...rest } = JSON.parse(stdout);
  assertEquals(rest, {
    source: `${scene.app}:2`,
    target,
    digest: HERE.descriptor.digest,
    mediaType: HERE.descriptor.mediaType,
    skipped: 0,
  });
  // The manifest was sent; config and layers were mounted.
  assertEquals([copied, bytes], [HERE.blobs.size, HERE.descriptor.size]);
  assertEquals(stderr, "");
});

Deno.test("oci copy leaves out nondistributable layers unless told to copy them", async () => {
  await using scene = await makeScene();
  const foreign = buildImage({
    layers: [{
      tar: tar(file("windows", "x")),
      mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      descriptor: { urls: ["https://127.0.0.1/layer"] },
    }],
  });
  const source = scene.directory.join("source");
  await writeLayout(source, { v1: foreign });
  const [digest] = foreign.layers.map(({ descriptor }) => descriptor.digest.slice(7));
  const copied = async (name: string, ...options: readonly string[]) => {
    const layout = scene.directory.join(name);
    const { code } = await scene.oci(
      ...["copy", ...options, `oci:${source}:v1`, `oci:${layout}`],
    );
    return code === 0 ? (await namesIn(join(layout, "blobs/sha256"))).includes(`${digest}`) : code;
  };

  assertEquals(await copied("a"), false);
  assertEquals(await copied("b", "--skip-foreign"), false);
  assertEquals(await copied("c", "--copy-foreign"), true);
  assertEquals(await copied("d", "--copy-foreign", "--skip-foreign"), 2);
});

Deno.test("oci copy --platform copies one platform, and with --sparse the index with some", async () => {
  await using scene = await makeScene();
  const { app, registry } = scene;

  const one = await scene.oci("copy", "--platform=linux/s390x", `${app}:1`, `${registry.host}/a:1`);
  const sparse = await scene.oci(
    "copy",
    "--sparse",
    "--platform",
    "linux/s390x",
    `${app}:1`,
    `${registry.host}/b:1`,
  );
  const several = await scene.oci(
    ...["copy", "--platform=linux/s390x", `--platform=${HOST}`, `${app}:1`, `${registry.host}/c:1`],
  );
  const list = await scene.oci(
    ...["copy", "--sparse", `--platform=linux/s390x,${HOST}`, `${app}:1`, `${registry.host}/d:1`],
  );
  const twice = await scene.oci("pull", `--platform=${HOST}`, "--platform=linux/s390x", `${app}:1`);
  const single = await scene.oci("copy", "--all-platforms", `${app}:1`, "docker-archive:a.tar");
  const archive = `docker-archive:${scene.directory.join("b.tar")}`;
  const planned = await scene.oci("copy", "--dry-run", `${app}:1`, archive);
  const noted = await scene.oci("copy", "--progress=none", `${app}:1`, archive);

  assertEquals([one.code, sparse.code, several.code, single.code], [0, 0, 2, 2]);
  assertEquals(await scene.digest("a", "1"), OTHER.descriptor.digest);
  assertEquals(await scene.digest("b", "1"), INDEX.descriptor.digest);
  assertEquals(await scene.digest("b", HERE.descriptor.digest), undefined);
  assertEquals([list.code, await scene.digest("d", "1")], [0, INDEX.descriptor.digest]);
  assertEquals(await scene.digest("d", HERE.descriptor.digest), HERE.descriptor.digest);
  assertEquals(await scene.digest("d", OTHER.descriptor.digest), OTHER.descriptor.digest);
  assertEquals(twice.code, 2);
  assertMatch(twice.stderr, /--platform is given twice\. Leave out one/);
  assertMatch(several.stderr, /needs its index\. Add "--sparse"/);
  assertEquals(
    noted.stderr,
    `oci: copied only the manifest ${HERE.descriptor.digest} of the multi-platform image ${app}:1\n`,
  );
  assertMatch(planned.stderr, /^oci: would copy only the manifest sha256:/m);
  assertMatch(single.stderr, /a docker-archive contains one\. Write an "oci-archive:"/);
});

Deno.test("oci copy --with-referrers copies signatures", async () => {
  await using scene = await makeScene();

  await scene.oci("copy", "--with-referrers", `${scene.app}:1`, `${scene.registry.host}/copy:1`);

  const referrers = await scene.registry.content.referrers("copy", INDEX.descriptor.digest);
  assertEquals(referrers.map(({ digest }) => digest), [SIGNATURE.descriptor.digest]);
});

Deno.test("oci copy --all-tags copies a repository", async () => {
  await using scene = await makeScene();
  const target = `${scene.registry.host}/copy`;

  const { stdout, code } = await scene.oci("copy", "--all-tags", scene.app, target);
  const tagged = await scene.oci("copy", "--all-tags", `${scene.app}:1`, target);

  assertEquals(code, 0);
  assertEquals(stdout.trim().split("\n").toSorted(), [
    `${target}:1@${INDEX.descriptor.digest}`,
    `${target}:2@${HERE.descriptor.digest}`,
  ]);
  assertEquals(tagged.code, 2);
  assertMatch(tagged.stderr, /Leave out the tag/);
  const pushed = await scene.oci("push", "--all-tags", "h.io/app:1", target);
  assertEquals(pushed.code, 2);
  assertMatch(pushed.stderr, /"h.io\/app:1" is not one\. Leave out the tag/);
});

Deno.test("oci copy --all-tags copies a repository to a layout", async () => {
  await using scene = await makeScene();
  await using dir = await makeTempDir();
  const target = `oci:${dir.join("layout")}`;

  const { stdout, stderr } = await scene.oci("copy", "-q", "--all-tags", scene.app, target);
  const named = await scene.oci("copy", "--all-tags", scene.app, `${target}:1`);
  const archive = await scene.oci("copy", "--all-tags", scene.app, "oci-archive:a.tar");

  assertEquals([stdout.trim().split("\n").toSorted(), stderr], [[
    `${target}:1@${INDEX.descriptor.digest}`,
    `${target}:2@${HERE.descriptor.digest}`,
  ], ""]);
  assertEquals([named.code, archive.code], [2, 2]);
  assertStringIncludes(named.stderr, `is one image of it. Write "${target}"`);
  assertMatch(archive.stderr, /"oci-archive:a\.tar" is not one\. Specify one/);
});

Deno.test("oci copy --all-tags records and prints the tags before one that fails", async () => {
  const content = new MemoryContent();
  const tags = Array.from({ length: 20 }, (_, i) => `v${10 + i}`);
  for (const tag of tags) content.add("app", tag, HERE);
  await using server = faultyRegistry(content, [
    on({ kind: "manifest", path: /v29/ }, registryError(403, "DENIED")),
  ]);
  await using dir = await makeTempDir();
  const target = `oci:${dir.join("layout")}`;

  const source = `${server.host}/app`;
  const { code, stdout } = await runOci(["copy", "-q", "--all-tags", source, target]);
  const { manifests } = JSON.parse(await Deno.readTextFile(dir.join("layout/index.json")));

  assertEquals(code, 1);
  const copied = tags.slice(0, -1);
  assertEquals(
    stdout.trim().split("\n"),
    copied.map((tag) => `${target}:${tag}@${HERE.descriptor.digest}`),
  );
  assertEquals(
    manifests.map(({ annotations }: Descriptor) => annotations?.[REF_NAME]),
    copied,
  );
});

Deno.test("oci copy --all-tags fails for a repository without tags", async () => {
  await using scene = await makeScene();
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using server = Deno.serve(options, () => Response.json({ name: "app", tags: null }));
  const source = `127.0.0.1:${server.addr.port}/app`;

  const { code, stdout, stderr } = await scene.oci("copy", "--all-tags", source, scene.app);

  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /: cannot copy "\S+": the repository has no tags\. Check its name\n$/);
});

Deno.test("oci copy --dry-run stores nothing", async () => {
  await using scene = await makeScene();
  const target = `${scene.registry.host}/copy:1`;

  const { stderr, stdout } = await scene.oci("copy", "--dry-run", `${scene.app}:1`, target);

  assertMatch(stderr, /would copy 11 blobs and manifests/);
  assertEquals(stdout, `${target}@${INDEX.descriptor.digest}\n`);
  assertEquals(await scene.registry.content.repositories(), ["app"]);
});

for (const transport of ["oci", "oci-archive"]) {
  Deno.test(`oci copy goes to ${transport} and back`, async () => {
    await using scene = await makeScene();
    const place = `${transport}:${scene.directory.join("place")}:v1`;

    const there = await scene.oci("copy", `${scene.app}:1`, place);
    const back = await scene.oci("copy", place, `${scene.registry.host}/back:1`);

    assertEquals([there.code, back.code], [0, 0], there.stderr + back.stderr);
    assertEquals(there.stdout, `${place}@${INDEX.descriptor.digest}\n`);
    assertEquals(await scene.digest("back", "1"), INDEX.descriptor.digest);
  });
}

Deno.test("oci copy to a layout leaves a layout and nothing else", async () => {
  await using scene = await makeScene();
  const path = scene.directory.join("layout");

  await scene.oci("copy", `${scene.app}:1`, `oci:${path}:v1`);

  assertEquals(await namesIn(path), ["blobs", "index.json", "oci-layout"]);
});

Deno.test("oci copy writes a docker archive of this machine's platform", async () => {
  await using scene = await makeScene();
  const place = `docker-archive:${scene.directory.join("app.tar")}:app:1`;

  const there = await scene.oci("copy", `${scene.app}:1`, place);
  const back = await scene.oci("copy", place, `${scene.registry.host}/back:1`);

  assertEquals([there.code, back.code], [0, 0], there.stderr + back.stderr);
  assertEquals(there.stdout, `${place}@${HERE.descriptor.digest}\n`);
  assertEquals(await scene.digest("back", "1"), HERE.descriptor.digest);
});

Deno.test("oci copy writes an archive to stdout, and nothing else there", async () => {
  await using scene = await makeScene();

  const { code, stdout } = await scene.oci("copy", `${scene.app}:2`, "oci-archive:-:v1");

  assertEquals(code, 0);
  assert(stdout.startsWith("blobs/"));
  assert(!stdout.includes("oci-archive:-"));
});

Deno.test("oci copy ends at Ctrl-C and records no name", async () => {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  await using scene = await makeScene({
    interfere: async (request, next) => {
      if (request.method === "PUT" && request.url.includes("/copy/")) {
        reached.resolve();
        await released.promise;
      }
      return await next();
    },
  });
  const process = new Deno.Command(Deno.execPath(), {
    // A registry of another name mounts nothing.
    args: [
      ...["run", "-A", join(ROOT, "mod.ts"), "copy", "-q", `${scene.app}:2`],
      `${scene.registry.host.replace("127.0.0.1", "localhost")}/copy:1`,
    ],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await reached.promise;

  process.kill("SIGINT");
  const { code, stderr } = await process.output();
  released.resolve();

  assertEquals(code, 130);
  assertMatch(new TextDecoder().decode(stderr), /^oci: copy .*interrupted/);
  assertEquals(await scene.digest("copy", "1"), undefined);
});
