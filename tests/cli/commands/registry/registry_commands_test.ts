import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { basicAuthentication, serveRegistry } from "../../../../registry/mod.ts";
import { digestOf } from "../../../../spec/mod.ts";
import { buildImage, buildIndex, MemoryContent } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

const AMD64 = buildImage({
  layers: [tar(file("a", "amd64"))],
  platform: "linux/amd64",
  config: { User: "me", Env: ["A=b\x1b[2J"], Cmd: ["/hello", "world"] },
});
const ARM64 = buildImage({ layers: [tar(file("a", "arm64"))], platform: "linux/arm64/v8" });
const INDEX = buildIndex([AMD64, ARM64]);

function content(): MemoryContent {
  return new MemoryContent().add("app", "1", INDEX).add("app", "arm", ARM64);
}

Deno.test("oci digest prints the digest that the registry reports by HEAD", async () => {
  const seen: string[] = [];
  await using server = await serveRegistry(content(), {
    onRequest: ({ method, path }) => seen.push(`${method} ${path}`),
  });

  const { code, stdout, stderr } = await runOci(["digest", `${server.host}/app:1`]);

  assertEquals({ code, stdout, stderr }, {
    code: 0,
    stdout: `${INDEX.descriptor.digest}\n`,
    stderr: "",
  });
  assertEquals(seen.filter((request) => request.includes("manifests")), [
    "HEAD /v2/app/manifests/1",
  ]);
});

Deno.test("oci digest --platform prints the digest of the manifest", async () => {
  await using server = await serveRegistry(content());

  const { stdout } = await runOci(
    ["digest", "--json", "--platform", "linux/arm64", `${server.host}/app:1`],
  );

  const { digest, mediaType, size } = ARM64.descriptor;
  const reference = `${server.host}/app:1`;
  assertEquals(JSON.parse(stdout), { reference, digest, mediaType, size });
});

Deno.test("oci digest of a missing image fails with a remedy", async () => {
  await using server = await serveRegistry(content());

  const { code, stdout, stderr } = await runOci(["digest", "--json", `${server.host}/app:9`]);

  assertEquals(code, 1);
  const { error } = JSON.parse(stdout);
  assertEquals([error.name, error.status], ["NotFoundError", 404]);
  assertMatch(
    stderr,
    /^oci: digest 127.*:9: .*404.*\. Check the name and the tag; if the repository is private, log in with "oci login 127.*"\n$/,
  );
});

Deno.test("oci tags lists every page", async () => {
  const many = new MemoryContent();
  const tags = Array.from({ length: 2345 }, (_, i) => `v${String(i).padStart(4, "0")}`);
  for (const tag of tags) many.add("app", tag, ARM64);
  await using server = await serveRegistry(many);

  const text = await runOci(["tags", `${server.host}/app`]);
  const json = await runOci(["tags", "--json", `${server.host}/app`]);

  assertEquals([text.code, text.stdout], [0, tags.map((tag) => `${tag}\n`).join("")]);
  assertEquals([json.code, JSON.parse(json.stdout)], [0, tags]);
});

Deno.test.each([
  { text: "app:1" },
  { text: `app@sha256:${"0".repeat(64)}` },
])("oci tags rejects $text as misuse", async ({ text }) => {
  const { code, stderr } = await runOci(["tags", `localhost:5000/${text}`]);

  assertEquals(code, 2);
  assertMatch(stderr, /a repository has no tag and no digest\. Write "localhost:5000\/app"\n$/);
});

Deno.test("oci tags names the command that lists the repositories of a registry", async () => {
  const { code, stderr } = await runOci(["tags", "localhost:5000"]);

  assertEquals(code, 2);
  assertStringIncludes(stderr, "the repository is missing");
  assertStringIncludes(stderr, 'list its repositories with "oci catalog localhost:5000"');
});

Deno.test("oci inspect --raw prints the index as served, and with a platform the manifest", async () => {
  await using server = await serveRegistry(content());
  const args = ["inspect", "--raw", `${server.host}/app:1`];

  const index = await runOci(args);
  const manifest = await runOci([...args, "--platform", "linux/arm64"]);

  assertEquals(index.stdoutBytes, INDEX.bytes);
  assertEquals(manifest.stdoutBytes, ARM64.bytes);
});

Deno.test("oci inspect --raw and --config print the same from the store", async () => {
  await using dir = await makeTempDir();
  const env = { OCI_STORE: dir.path };
  const ref = await (async () => {
    await using server = await serveRegistry(content());
    const ref = `${server.host}/app:1`;
    await runOci(["pull", "-q", "--platform", "linux/amd64", ref], { env });
    return ref;
  })();

  const raw = await runOci(["inspect", "--raw", ref], { env });
  const config = await runOci(["inspect", "--config", "--platform=linux/amd64", ref], { env });

  assertEquals(digestOf(raw.stdoutBytes), INDEX.descriptor.digest);
  assertEquals(config.stdoutBytes, AMD64.config.bytes);
});

Deno.test.each(["inspect", "ls"])(
  "oci %s asks the registry again where the stored index lacks the platform",
  async (command) => {
    await using dir = await makeTempDir();
    const env = { OCI_STORE: dir.path };
    const moving = new MemoryContent().add("app", "1", buildIndex([ARM64]));
    await using server = await serveRegistry(moving);
    const ref = `${server.host}/app:1`;
    await runOci(["pull", "-q", "--platform", "linux/arm64", ref], { env });
    moving.add("app", "1", INDEX);

    const { code, stderr } = await runOci([command, "--platform", "linux/amd64", ref], { env });
    const never = await runOci(["ls", "--policy=never", "--platform=linux/amd64", ref], { env });

    assertEquals([code, stderr], [0, ""]);
    assertEquals(never.code, 1);
  },
);

Deno.test("oci pull --all-platforms reads a password from stdin once", async () => {
  await using dir = await makeTempDir();
  await using server = await serveRegistry(content(), {
    authenticate: basicAuthentication((name, password) => name === "me" && password === "s3cret"),
  });

  const { code, stderr } = await runOci(
    ["pull", "-q", "--all-platforms", "--user=me", "--password-stdin"]
      .concat("--store", dir.path, `${server.host}/app:1`),
    { stdin: "s3cret\n" },
  );

  assertEquals([code, stderr], [0, ""]);
});

Deno.test("oci tags --json prints the tags so far if a page fails", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    if (url.includes("last=")) return new Response(null, { status: 403 });
    if (!url.includes("tags")) return new Response();
    const link = '</v2/app/tags/list?last=b>; rel="next"';
    return Response.json({ name: "app", tags: ["a", "b"] }, { headers: { link } });
  });

  const { code, stdout, stderr } = await runOci(
    ["tags", "--json", `127.0.0.1:${server.addr.port}/app`],
  );

  const { error, partial } = JSON.parse(stdout);
  assertEquals([code, error.status, partial], [1, 403, ["a", "b"]]);
  assertMatch(stderr, /^oci: tags .*403.*\n$/);
});

Deno.test("oci inspect --json contains the documents and their source", async () => {
  await using dir = await makeTempDir();
  const env = { OCI_STORE: dir.path };
  await using server = await serveRegistry(content());
  const ref = `${server.host}/app:1`;
  const args = ["inspect", "--json", "--platform", "linux/amd64", ref];

  const remote = await runOci(args, { env });
  await runOci(["pull", "-q", "--platform", "linux/amd64", ref], { env });
  const stored = await runOci(args, { env });

  const document = JSON.parse(remote.stdout);
  assertEquals(document, {
    reference: ref,
    digest: INDEX.descriptor.digest,
    mediaType: INDEX.descriptor.mediaType,
    platform: "linux/amd64",
    size: document.layers[0].size + AMD64.config.descriptor.size,
    source: "registry",
    platforms: [
      { platform: "linux/amd64", digest: AMD64.descriptor.digest },
      { platform: "linux/arm64/v8", digest: ARM64.descriptor.digest },
    ],
    layers: AMD64.layers.map(({ descriptor: { digest, size, mediaType }, diffId }) => {
      return { digest, diffId, size, mediaType };
    }),
    manifest: JSON.parse(new TextDecoder().decode(AMD64.bytes)),
    config: JSON.parse(new TextDecoder().decode(AMD64.config.bytes)),
  });
  assertEquals(JSON.parse(stored.stdout), { ...document, source: "store" });
});

Deno.test("oci inspect prints readable text without control characters", async () => {
  await using server = await serveRegistry(content());

  const { code, stdout, stderr } = await runOci(
    ["inspect", "--platform", "linux/amd64", `${server.host}/app:1`],
  );

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout, /^Platform +linux\/amd64$/m);
  assertMatch(stdout, /^User +me$/m);
  assertMatch(stdout, /^Command +\["\/hello","world"\]$/m);
  assertMatch(stdout, /^\* linux\/amd64 +sha256:/m);
  assert(!stdout.includes("\x1b"), "no escape sequence comes through");
});

Deno.test("oci inspect prints no list of layers for an image without any", async () => {
  const empty = buildImage({ layers: [], platform: "linux/amd64" });
  await using server = await serveRegistry(new MemoryContent().add("app", "1", empty));

  const { stdout, stderr } = await runOci(["inspect", `${server.host}/app:1`]);

  assertMatch(stdout, /^Size .* in 0 layers$/m, stderr);
  assertEquals(stdout.includes("Layers"), false, stdout);
});

Deno.test("oci inspect rejects several output forms", async () => {
  const { code, stderr } = await runOci(["inspect", "--raw", "--json", "alpine"]);

  assertEquals(code, 2);
  assertMatch(stderr, /--raw and --json cannot be combined\. Leave out one of them\n$/);
});

Deno.test.each([
  { name: "--user with a password", options: ["--user", "me:s3cret"], stdin: undefined },
  { name: "--password-stdin", options: ["--user", "me", "--password-stdin"], stdin: "s3cret\n" },
])("oci digest logs in with $name", async ({ options, stdin }) => {
  const authenticate = basicAuthentication((name, password) => {
    return name === "me" && password === "s3cret";
  });
  await using server = await serveRegistry(content(), { authenticate });

  const { code, stdout } = await runOci(
    ["digest", ...options, `${server.host}/app:1`],
    stdin === undefined ? {} : { stdin },
  );

  assertEquals({ code, stdout }, { code: 0, stdout: `${INDEX.descriptor.digest}\n` });
});

Deno.test("oci digest fails with a wrong password, and does not show it", async () => {
  await using server = await serveRegistry(content(), {
    authenticate: basicAuthentication(() => false),
  });

  const { code, stdout, stderr } = await runOci(
    ["digest", "--json", "--verbose", "--debug", "--user", "me:wr0ng", `${server.host}/app:1`],
  );

  assertEquals([code, JSON.parse(stdout).error.name], [1, "AuthError"]);
  assertMatch(
    stderr,
    /^oci: digest .*401.*\. Check the password or token, or log in again with "oci login 127.*"/m,
  );
  for (const secret of ["wr0ng", btoa("me:wr0ng")]) {
    assert(!(stdout + stderr).includes(secret), "no secret is shown");
  }
});

Deno.test("oci digest sends the first request to a mirror", async () => {
  await using mirror = await serveRegistry(content());

  const { code, stdout } = await runOci(
    ["digest", "--mirror", `127.0.0.1:1=${mirror.url}`, "127.0.0.1:1/app:1"],
  );

  assertEquals({ code, stdout }, { code: 0, stdout: `${INDEX.descriptor.digest}\n` });
});
