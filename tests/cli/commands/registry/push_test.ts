import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertGranted } from "../../../_support/oci_permissions.ts";
import { HERE, HOST, INDEX, makeScene, runOci } from "./_scene.ts";

Deno.test("oci push pushes the only stored platform, and warns", async () => {
  await using scene = await makeScene();
  const target = `${scene.registry.host}/pushed:1`;
  await scene.oci("pull", `${scene.app}:1`);

  const { code, stdout, stderr } = await scene.oci("push", "--quiet", `${scene.app}:1`, target);
  const whole = await scene.oci("push", "--all-platforms", `${scene.app}:1`, target);

  assertEquals({ code, stdout }, { code: 0, stdout: `${target}@${HERE.descriptor.digest}\n` });
  assertMatch(stderr, new RegExp(`only ${HOST.split("/", 2).join("/")}.*pull --all-platforms`));
  assertEquals(whole.code, 1);
  assertMatch(whole.stderr, /the store does not have all of them\. Pull the others first/);
});

Deno.test("oci push says which platform to pull if the store lacks it", async () => {
  await using scene = await makeScene();
  await scene.oci("pull", `${scene.app}:1`);

  const { code, stderr } = await scene.oci("push", "--platform=linux/s390x", `${scene.app}:1`);

  assertEquals(code, 1);
  assertMatch(
    stderr,
    /cannot push linux\/s390x of .*: the store does not have it\. Pull it first with /,
  );
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
