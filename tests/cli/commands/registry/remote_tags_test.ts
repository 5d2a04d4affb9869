import { assertEquals, assertMatch } from "@std/assert";
import { pushBuilt } from "../../../cache/moving/_pushed.ts";
import { HERE, INDEX, makeScene } from "./_scene.ts";

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

Deno.test("oci delete does not suggest to delete a manifest of a read-only registry", async () => {
  await using scene = await makeScene({
    interfere: (request, next) =>
      request.method === "DELETE"
        ? Response.json({ errors: [{ code: "UNSUPPORTED", message: "read-only" }] }, {
          status: 405,
          headers: { allow: "GET, HEAD" },
        })
        : next(),
  });

  const { code, stderr } = await scene.oci("delete", "--yes", `${scene.app}:1`);

  assertEquals(code, 1);
  assertMatch(stderr, /405 UNSUPPORTED, "read-only"\. Ask its operator whether it accepts this/);
});

Deno.test("oci delete does not suggest to delete a manifest where deletion is disabled", async () => {
  await using scene = await makeScene({
    interfere: (request, next) =>
      request.method === "DELETE"
        ? Response.json({ errors: [{ code: "UNSUPPORTED", message: "no" }] }, { status: 405 })
        : next(),
  });

  const { code, stderr } = await scene.oci("delete", "--yes", `${scene.app}:1`);

  assertEquals(code, 1);
  assertMatch(stderr, /405 UNSUPPORTED, "no"\)?\. Ask its operator whether it accepts this/);
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
