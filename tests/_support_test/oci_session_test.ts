import { assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { OciSession, ociSession } from "../_support/oci_session.ts";

const oci = ociSession();

Deno.test("ociSession() runs each command line in its own environment", async () => {
  const stores = ["/one", "/two"];
  const lines = ["permissions", "images", "--json"];
  const results = stores.map((store) => oci(lines, { env: { OCI_STORE: store } }));

  const documents = (await Promise.all(results)).map(({ stdout }) => JSON.parse(stdout));

  assertEquals(
    documents.map(({ flags: [read] }) => read.split(",")[0]),
    ["--allow-read=/one", "--allow-read=/two"],
  );
});

Deno.test("ociSession() separates the results of command lines", async () => {
  const misuse = await oci(["no-such-command"]);
  const { code, stdout, stderr, stdoutBytes } = await oci(["version"]);

  assertEquals([misuse.code, misuse.stdout], [2, ""]);
  assertMatch(misuse.stderr, /^oci: /);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^oci \S+\ndeno \S+\n$/);
  assertEquals(new TextDecoder().decode(stdoutBytes), stdout);
});

Deno.test("ociSession() returns one session to all files of a worker", () => {
  assertStrictEquals(ociSession(), oci);
});

Deno.test("ociSession() uses a separate process where options need one", async () => {
  const { code, stderr } = await oci(["images"], { permissions: [] });

  assertEquals(code, 1);
  assertMatch(stderr, /--allow-/);
});

Deno.test("OciSession.start() reports a process that ends", async () => {
  const command = [Deno.execPath(), "eval", "console.error('no session')"];

  await assertRejects(() => OciSession.start(command, {}), Error, "no session");
});
