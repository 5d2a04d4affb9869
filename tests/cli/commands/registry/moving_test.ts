import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { hostPlatform } from "../../../../registry/mod.ts";
import { formatPlatform } from "../../../../spec/mod.ts";
import { buildArtifact, buildImage, buildIndex } from "../../../_support/image.ts";
import { assertGranted } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { ROOT } from "../../../_support/process.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../../_support/temp.ts";
import {
  writableRegistry,
  type WritableRegistryOptions,
} from "../../../_support/writable_registry.ts";
import { pushBuilt } from "../../../cache/moving/_pushed.ts";

const runOci = ociSession();

const HOST = formatPlatform(hostPlatform());
const BASE = tar(file("base", "shared by both"));
const HERE = buildImage({ layers: [BASE, tar(file("bin", "here"))], platform: HOST });
const OTHER = buildImage({ layers: [BASE, tar(file("bin", "s390x"))], platform: "linux/s390x" });
const ATTESTATION = {
  built: buildImage({ layers: [tar(file("attestation", "x"))] }),
  descriptor: {
    platform: { os: "unknown", architecture: "unknown" },
    annotations: {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": HERE.descriptor.digest,
    },
  },
};
const INDEX = buildIndex([HERE, OTHER, ATTESTATION]);
const SIGNATURE = buildArtifact({ artifactType: "application/x.sig", subject: INDEX.descriptor });

/** A registry with an index `app:1`, a signature of it, and an image `app:2`; and a directory. */
async function makeScene(options: WritableRegistryOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(writableRegistry({ allowSparseIndexes: true, ...options }));
  const directory = stack.use(await makeTempDir());
  await pushBuilt(registry, "app:1", INDEX);
  await pushBuilt(registry, "app:2", HERE);
  await pushBuilt(registry, "app:none", SIGNATURE);
  registry.forget();
  const owned = stack.move();
  const env = { OCI_STORE: directory.join("store") };
  return {
    registry,
    directory,
    app: `${registry.host}/app`,
    oci: (...args: readonly string[]) => runOci(args, { env }),
    digest: async (name: string, tag: string) =>
      (await registry.content.resolve(name, tag))?.digest,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

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

  assertEquals([one.code, sparse.code, several.code], [0, 0, 2]);
  assertEquals(await scene.digest("a", "1"), OTHER.descriptor.digest);
  assertEquals(await scene.digest("b", "1"), INDEX.descriptor.digest);
  assertEquals(await scene.digest("b", HERE.descriptor.digest), undefined);
  assertMatch(several.stderr, /needs its index\. Add "--sparse"/);
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

Deno.test("oci push pushes the only stored platform, and warns", async () => {
  await using scene = await makeScene();
  const target = `${scene.registry.host}/pushed:1`;
  await scene.oci("pull", `${scene.app}:1`);

  const { code, stdout, stderr } = await scene.oci("push", `${scene.app}:1`, target);
  const whole = await scene.oci("push", "--all-platforms", `${scene.app}:1`, target);

  assertEquals({ code, stdout }, { code: 0, stdout: `${target}@${HERE.descriptor.digest}\n` });
  assertMatch(stderr, new RegExp(`only ${HOST.split("/", 2).join("/")}.*pull --all-platforms`));
  assertEquals(whole.code, 1);
  assertMatch(whole.stderr, /the store does not have all of them\. Pull the others first/);
});

Deno.test("oci pull --all-platforms fetches everything that oci push needs for the index", async () => {
  await using scene = await makeScene();
  const target = `${scene.registry.host}/pushed:1`;
  await scene.oci("pull", "--all-platforms", `${scene.app}:1`);

  const { stdout, stderr } = await scene.oci("push", `${scene.app}:1`, target);

  assertEquals(stdout, `${target}@${INDEX.descriptor.digest}\n`);
  assert(!stderr.includes("pull --all-platforms"), stderr);
});

Deno.test("oci push without DEST pushes to the registry in the name", async () => {
  await using scene = await makeScene();
  await scene.oci("pull", `${scene.app}:2`);
  await scene.registry.content.deleteTag("app", "2");

  const { code } = await scene.oci("push", `${scene.app}:2`);

  assertEquals(code, 0);
  assertEquals(await scene.digest("app", "2"), HERE.descriptor.digest);
});

Deno.test("oci push --all-tags pushes the tags that the store has", async () => {
  await using scene = await makeScene();
  const target = `${scene.registry.host}/pushed`;
  await scene.oci("pull", "--all-platforms", `${scene.app}:1`, `${scene.app}:2`);

  const { stdout } = await scene.oci("push", "--all-tags", scene.app, target);

  assertEquals(stdout.trim().split("\n"), [
    `${target}:1@${INDEX.descriptor.digest}`,
    `${target}:2@${HERE.descriptor.digest}`,
  ]);
});

Deno.test("oci push of a missing image fails with a remedy", async () => {
  await using scene = await makeScene();

  const { code, stderr } = await scene.oci("push", `${scene.app}:1`);

  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^oci: push .*app:1: the store does not have it\. Pull it first with "oci pull"\n$/,
  );
});

Deno.test("oci push pushes an image of a layout or an archive, with its own permissions", async () => {
  await using scene = await makeScene();
  const [layout, archive] = ["layout", "app.tar"].map((name) => scene.directory.join(name));
  const sources = [`oci:${layout}:v1`, `oci-archive:${archive}:v1`];
  for (const source of sources) await scene.oci("copy", "-q", `${scene.app}:1`, source);

  for (const source of sources) {
    const target = `${scene.registry.host}/pushed:1`;
    const env = { OCI_STORE: scene.directory.join("store") };
    const [pushed] = await assertGranted(runOci, [["push", "-q", source, target]], { env });
    const digest = INDEX.descriptor.digest;
    assertEquals([pushed?.stdout, pushed?.stderr], [`${target}@${digest}\n`, ""]);
    await scene.oci("delete", "--yes", `${scene.registry.host}/pushed@${digest}`);
  }
  const nowhere = await scene.oci("push", `oci:${layout}:v1`);
  assertEquals(nowhere.code, 2);
  assertMatch(nowhere.stderr, /does not name a registry\. Specify DEST/);
});

Deno.test("oci push prints the refusal of a registry", async () => {
  await using scene = await makeScene({
    interfere: (request, next) =>
      request.method === "PUT" && request.url.includes("/pushed/manifests/")
        ? Response.json({
          errors: [{ code: "TAG_IMMUTABLE", message: "the tag 1 is immutable" }],
        }, { status: 409 })
        : next(),
  });
  await scene.oci("pull", `${scene.app}:2`);

  const { code, stderr } = await scene.oci(
    ...["push", "-q", `${scene.app}:2`, `${scene.registry.host}/pushed:1`],
  );

  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^oci: push .*answered 409 TAG_IMMUTABLE, "the tag 1 is immutable"\. .*\n$/,
  );
});

Deno.test("oci tag adds a tag without reading a layer", async () => {
  await using scene = await makeScene();

  const { code, stdout } = await scene.oci("tag", `${scene.app}:1`, "latest");
  const wrong = await scene.oci("tag", `${scene.app}:1`, "a/b");

  assertEquals({ code, stdout }, { code: 0, stdout: `${INDEX.descriptor.digest}\n` });
  assertEquals(await scene.digest("app", "latest"), INDEX.descriptor.digest);
  const manifests = scene.registry.seen().filter((line) => !line.endsWith("GET "));
  assertEquals(manifests, ["GET app/manifests/1", "PUT app/manifests/latest"]);
  assertEquals(wrong.code, 2);
  assertMatch(wrong.stderr, /"a\/b" is not a tag/);
});

Deno.test("oci delete deletes a tag, and leaves the manifest and its other tags", async () => {
  await using scene = await makeScene();
  await scene.oci("tag", `${scene.app}:1`, "other");

  const { code, stdout } = await scene.oci("delete", "--yes", `${scene.app}:1`);

  assertEquals({ code, stdout }, { code: 0, stdout: "" });
  assertEquals(await scene.digest("app", "1"), undefined);
  assertEquals(await scene.digest("app", "other"), INDEX.descriptor.digest);
});

Deno.test("oci delete deletes a manifest by its digest", async () => {
  await using scene = await makeScene();

  const { code } = await scene.oci("delete", "--yes", `${scene.app}@${HERE.descriptor.digest}`);

  assertEquals(code, 0);
  assertEquals(await scene.digest("app", "2"), undefined);
});

Deno.test("oci delete deletes nothing if the registry cannot delete tags", async () => {
  await using scene = await makeScene({
    interfere: (request, next) =>
      request.method === "DELETE" && !request.url.includes("sha256:")
        ? Response.json({ errors: [{ code: "UNSUPPORTED", message: "no" }] }, { status: 405 })
        : next(),
  });

  const { code, stderr } = await scene.oci("delete", "--yes", `${scene.app}:1`);

  assertEquals(code, 1);
  assertMatch(stderr, /cannot delete tags \(405 UNSUPPORTED, "no"\)\. To delete the manifest/);
  assertEquals(await scene.digest("app", "1"), INDEX.descriptor.digest);
});

Deno.test("oci delete needs --yes without a terminal, and a tag or a digest", async () => {
  await using scene = await makeScene();

  const unsure = await scene.oci("delete", `${scene.app}:1`);
  const untagged = await scene.oci("delete", "--yes", scene.app);

  assertEquals([unsure.code, untagged.code], [2, 2]);
  assertMatch(unsure.stderr, /cannot ask for confirmation without a terminal\. Add "--yes"/);
  assertMatch(untagged.stderr, /has no tag and no digest/);
  assertEquals(scene.registry.seen(), []);
});

Deno.test("oci catalog lists repositories, all pages of them", async () => {
  await using scene = await makeScene({
    interfere: async (request, next) => {
      const url = new URL(request.url);
      if (url.pathname !== "/v2/_catalog") return await next();
      const { repositories } = await (await next(new Request(new URL("/v2/_catalog", url)))).json();
      const last = url.searchParams.get("last");
      const at = last === null ? 0 : repositories.indexOf(last) + 1;
      const page = Response.json({ repositories: repositories.slice(at, at + 1) });
      if (at + 1 < repositories.length) {
        page.headers.set("link", `</v2/_catalog?last=${repositories[at]}>; rel="next"`);
      }
      return page;
    },
  });
  for (const name of ["b", "c/d"]) await pushBuilt(scene.registry, `${name}:1`, HERE);

  const plain = await scene.oci("catalog", scene.registry.host);
  const json = await scene.oci("catalog", "--json", scene.registry.host);

  assertEquals(plain.stdout, "app\nb\nc/d\n");
  assertEquals(JSON.parse(json.stdout), ["app", "b", "c/d"]);
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
