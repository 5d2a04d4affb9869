import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serveRegistry } from "../../../../registry/mod.ts";
import { ociSession } from "../../../_support/oci_session.ts";

const runOci = ociSession();

Deno.test("oci pull --max-wait sets the pause that a registry may request", async () => {
  const limited = () => new Response(null, { status: 429, headers: { "retry-after": "1" } });
  await using server = await serveRegistry(undefined, { authenticate: limited });
  const ref = `${server.host}/app`;

  const hasty = await runOci(["tags", "--max-wait", "0.5", "--retries=1", "--debug", ref]);
  const patient = await runOci(["tags", "--max-wait=1", "--retries=1", "--debug", ref]);
  const endless = await runOci(["tags", `--max-wait=${"9".repeat(30)}`, "--retries=0", ref]);
  const wrong = await runOci(["tags", "--max-wait", "long", ref]);

  const requests = ({ stderr }: typeof hasty) => stderr.match(/ 429, /g)?.length;
  assertEquals([requests(hasty), requests(patient)], [1, 2]);
  assertMatch(hasty.stderr, /Try again in 1 s/);
  assertMatch(endless.stderr, /Try again in 1 s/);
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, "it must be 0 or a number of seconds");
});

Deno.test("oci --allow-private-addresses follows redirects into a private network", async () => {
  // A proxy, so that the registry has a public name and the target of the redirect no connection.
  await using proxy = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { hostname } = new URL(request.url);
    return hostname === "10.0.0.1"
      ? new Response(null, { status: 418 })
      : Response.redirect("http://10.0.0.1/v2/app/manifests/1", 307);
  });
  const env = { HTTP_PROXY: `http://127.0.0.1:${proxy.addr.port}` };
  const args = ["inspect", "--raw", "--plain-http", "--retries=0", "registry.example/app:1"];

  const refused = await runOci(args, { env });
  const followed = await runOci([...args, "--allow-private-addresses"], { env });

  assertMatch(
    refused.stderr,
    /redirects to 10\.0\.0\.1 in a private network\. If .* add --allow-private-addresses\n$/,
  );
  assertMatch(followed.stderr, /418/);
});

Deno.test("oci pull refuses a file after the image, and says how to write it", async () => {
  const { code, stderr } = await runOci(["pull", "localhost:1/app:1", "out.tar"]);

  assertEquals(code, 2);
  assertStringIncludes(stderr, 'Write "oci copy localhost:1/app:1 docker-archive:out.tar"');
});
