import { assert, assertEquals, assertMatch } from "@std/assert";
import { serveRegistry } from "../../../../registry/mod.ts";
import { makeCertificates } from "../../../_support/certificates.ts";
import { buildImage, buildIndex, MemoryContent } from "../../../_support/image.ts";
import { permissionsFor } from "../../../_support/oci_permissions.ts";
import { serve } from "../../../_support/oci_serve.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { posixTest } from "../../../_support/skip.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../../_support/temp.ts";

const runOci = ociSession();

posixTest("oci serve serves the store to another pull, until it is interrupted", async () => {
  await using dir = await makeTempDir();
  const built = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
  const name = await (async () => {
    await using origin = await serveRegistry(new MemoryContent().add("app", "1", built));
    const ref = `${origin.host}/app:1`;
    await runOci(["pull", "-q", "--platform=linux/amd64", ref], { env: { OCI_STORE: dir.path } });
    return ref;
  })();

  const served = await serve(dir.path, ["--read-only", "--debug"]);
  const host = served.line.replace("listening on http://", "");
  const pulled = await runOci(["pull", "-q", "--platform=linux/amd64", `${host}/app:1`]);
  const ended = await served.stop("SIGINT");

  assertMatch(served.line, /^listening on http:\/\/127\.0\.0\.1:\d+$/);
  assertEquals([pulled.code, pulled.stdout], [
    0,
    `${host}/app:1@${built.descriptor.digest}\n`,
  ]);
  assertEquals(ended.code, 130);
  assertMatch(ended.stderr, /^oci: debug: GET \/v2\/app\/manifests\/1 200$/m);
  assert(name !== host, "the registry is another one");
});

posixTest("oci serve --allow-sparse-indexes takes what copy --sparse sends", async () => {
  await using dir = await makeTempDir();
  const amd64 = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
  const arm64 = buildImage({ layers: [tar(file("a", "y"))], platform: "linux/arm64" });
  const index = buildIndex([amd64, arm64]);
  await using origin = await serveRegistry(new MemoryContent().add("app", "1", index));
  const copy = async (options: readonly string[]) => {
    const served = await serve(dir.path, options);
    const target = `${served.line.replace("listening on http://", "")}/app:1`;
    const { code, stdout, stderr } = await runOci(
      ["copy", "-q", "--sparse", "--platform=linux/arm64", `${origin.host}/app:1`, target],
    );
    await served.stop("SIGTERM");
    return { code, isWhole: stdout === `${target}@${index.descriptor.digest}\n`, stderr };
  };

  const strict = await copy([]);
  const sparse = await copy(["--allow-sparse-indexes"]);

  assertEquals([strict.code, strict.isWhole], [1, false]);
  assertMatch(strict.stderr, /MANIFEST_BLOB_UNKNOWN/);
  assertEquals(sparse, { code: 0, isWhole: true, stderr: "" });
});

posixTest("oci serve ends with 143 on SIGTERM", async () => {
  await using dir = await makeTempDir();

  const served = await serve(dir.join("store"));
  const { code, stderr } = await served.stop("SIGTERM");

  assertEquals({ code, stderr }, { code: 143, stderr: "" });
});

posixTest("oci serve --htpasswd admits the users in the file", async () => {
  await using dir = await makeTempDir();
  // The password is "U*U", and the hash a known answer of bcrypt.
  const hash = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
  await Deno.writeTextFile(dir.join("htpasswd"), `ann:${hash}\n`);

  const served = await serve(dir.join("store"), [
    "--json",
    "--htpasswd",
    dir.join("htpasswd"),
  ]);
  const { url } = JSON.parse(`${served.line}${await served.rest(3)}`);
  const login = (password: string) => ({
    headers: { authorization: `Basic ${btoa(`ann:${password}`)}` },
  });
  const statuses: number[] = [];
  for (const init of [{}, login("guess"), login("U*U")]) {
    const response = await fetch(`${url}/v2/`, init);
    await response.body?.cancel();
    statuses.push(response.status);
  }
  await served.stop("SIGTERM");

  assertEquals(statuses, [401, 401, 200]);
});

posixTest("oci serve runs with what oci permissions prints for it", async () => {
  await using dir = await makeTempDir();
  const store = dir.join("store");
  const args = ["serve", "--listen", "127.0.0.1:0"];
  const permissions = await permissionsFor(runOci, args, { env: { OCI_STORE: store } });

  const served = await serve(store, [], permissions);
  const { code, stderr } = await served.stop("SIGTERM");

  assertMatch(served.line, /^listening on http/);
  assertEquals({ code, stderr }, { code: 143, stderr: "" });
});

Deno.test("oci serve names an address that is in use", async () => {
  await using other = await serveRegistry(new MemoryContent());

  const { code, stdout, stderr } = await runOci(["serve", "--listen", other.host]);

  assertEquals({ code, stdout }, { code: 1, stdout: "" });
  assertMatch(stderr, /^oci: serve: .*\. Choose another address with --listen\n$/);
});

Deno.test.each([
  {
    address: "nowhere.invalid:0",
    says: "cannot listen on nowhere\\.invalid:0: .*\\. Choose another address",
  },
  {
    address: "[2001:db8::1]:0",
    says: "cannot listen on \\[2001:db8::1\\]:0: .*\\. Choose another address",
  },
])("oci serve explains what is wrong with $address", async ({ address, says }) => {
  const { code, stdout, stderr } = await runOci(["serve", "--listen", address]);

  assertEquals({ code, stdout }, { code: 1, stdout: "" });
  assertMatch(stderr, new RegExp(`^oci: serve: ${says} with --listen\n$`));
});

Deno.test.each([{ text: "" }, { text: "# nobody\n" }])(
  "oci serve refuses a file of passwords without users: $text",
  async ({ text }) => {
    await using dir = await makeTempDir();
    await Deno.writeTextFile(dir.join("passwords"), text);

    const { code, stderr } = await runOci(["serve", "--htpasswd", dir.join("passwords")]);

    assertEquals(code, 2);
    assertEquals(
      stderr,
      "oci: serve: cannot read the htpasswd file: it has no users. " +
        'Create the file with "htpasswd -B"\n',
    );
  },
);

Deno.test.each([
  { text: "ann", says: 'it must be "NAME:HASH". Create the file with "htpasswd -B"' },
  { text: "ann:x", says: 'the hash of "ann" must be bcrypt. Create the file with "htpasswd -B"' },
])("oci serve says how to create a file of passwords, instead of $text", async (row) => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("passwords"), row.text);

  const { code, stderr } = await runOci(["serve", "--htpasswd", dir.join("passwords")]);

  assertEquals(code, 2);
  assertEquals(stderr, `oci: serve: cannot read line 1 of the htpasswd file: ${row.says}\n`);
});

Deno.test("oci serve explains why it rejects a certificate", async () => {
  await using dir = await makeTempDir();
  const { key } = await makeCertificates(dir.path);
  const pem = dir.join("pem");
  await Deno.writeTextFile(pem, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");

  const { code, stderr } = await runOci(["serve", "--tls-cert", pem, "--tls-key", key]);

  assertEquals(code, 2);
  assertMatch(
    stderr,
    /^oci: serve: cannot serve over TLS: .*\. Specify PEM files with "--tls-cert"/,
  );
});

posixTest("oci serve stores pushed images where the other commands find them", async () => {
  await using dir = await makeTempDir();
  const store = dir.join("store");
  const built = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
  const served = await serve(store);

  for (const { descriptor, bytes } of built.blobs.values()) {
    if (descriptor.digest === built.descriptor.digest) continue;
    const path = `/v2/team/app/blobs/uploads/?digest=${descriptor.digest}`;
    const response = await fetch(`${served.url}${path}`, { method: "POST", body: bytes });
    await response.body?.cancel();
    assertEquals(response.status, 201);
  }
  const pushed = await fetch(`${served.url}/v2/team/app/manifests/1`, {
    method: "PUT",
    headers: { "content-type": built.descriptor.mediaType },
    body: built.bytes,
  });
  await pushed.body?.cancel();
  await served.stop("SIGTERM");
  const env = { OCI_STORE: store };
  const images = await runOci(["images", "--json"], { env });
  const listed = await runOci(["ls", "--policy=never", "localhost/team/app:1"], { env });

  assertEquals(pushed.status, 201);
  assertEquals(
    JSON.parse(images.stdout).map((image: { reference: string }) => image.reference),
    ["localhost/team/app:1"],
  );
  assertMatch(listed.stdout, /a\n$/);
});

for (
  const { args, status, note } of [
    { args: [], status: 202, note: "" },
    { args: ["--read-only"], status: 405, note: "" },
    {
      // An address of the loopback that is not recognized as one.
      args: ["--listen", "127.1:0"],
      status: 405,
      note:
        "oci: read-only because other machines can reach the address; allow pushes with --htpasswd\n",
    },
  ]
) {
  posixTest(`oci serve ${args.join(" ")} answers ${status} to a push`, async () => {
    await using dir = await makeTempDir();
    const served = await serve(dir.join("store"), args);

    const response = await fetch(`${served.url}/v2/a/blobs/uploads/`, { method: "POST" });
    await response.body?.cancel();
    const { stderr } = await served.stop("SIGTERM");

    assertEquals({ status: response.status, stderr }, { status, stderr: note });
  });
}

posixTest("oci serve --htpasswd lets its users push at any address", async () => {
  await using dir = await makeTempDir();
  const hash = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
  await Deno.writeTextFile(dir.join("htpasswd"), `ann:${hash}\n`);
  const options = ["--listen", "127.1:0", "--htpasswd", dir.join("htpasswd")];
  const served = await serve(dir.join("store"), options);

  const statuses: number[] = [];
  for (const headers of [{}, { authorization: `Basic ${btoa("ann:U*U")}` }]) {
    const response = await fetch(`${served.url}/v2/a/blobs/uploads/`, { method: "POST", headers });
    await response.body?.cancel();
    statuses.push(response.status);
  }
  const { stderr } = await served.stop("SIGTERM");

  assertEquals({ statuses, stderr }, { statuses: [401, 202], stderr: "" });
});

posixTest("oci serve --proxy relays another registry and caches its content", async () => {
  await using dir = await makeTempDir();
  const built = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
  const requests: string[] = [];
  const store = dir.join("store");
  const upstream = await serveRegistry(new MemoryContent().add("team/app", "1", built), {
    onRequest: ({ method, path }) => requests.push(`${method} ${path}`),
  });
  await using _upstream = upstream;
  const options = ["--proxy", upstream.url];
  const args = ["serve", "--listen", "127.0.0.1:0", ...options];
  const permissions = await permissionsFor(runOci, args, { env: { OCI_STORE: store } });

  const served = await serve(store, options, permissions);
  const host = served.line.replace("listening on http://", "");
  const pull = () => runOci(["pull", "-q", "--platform=linux/amd64", `${host}/team/app:1`]);
  const pulled = [await pull()];
  const count = requests.length;
  pulled.push(await pull());
  const push = await fetch(`http://${host}/v2/a/blobs/uploads/`, { method: "POST" });
  const { errors } = await push.json();
  const { stderr } = await served.stop("SIGTERM");
  const images = await runOci(["images", "--json"], { env: { OCI_STORE: store } });

  const line = `${host}/team/app:1@${built.descriptor.digest}\n`;
  assertEquals(pulled.map((result) => result.stdout), [line, line]);
  assertEquals(requests.slice(count).filter((request) => request.startsWith("GET")), []);
  assertEquals({ status: push.status, stderr }, { status: 405, stderr: "" });
  assertEquals(errors[0].message, `the registry is read-only: it is a cache of ${upstream.host}`);
  assertEquals(
    JSON.parse(images.stdout).map((image: { reference: string }) => image.reference),
    [`${upstream.host}/team/app:1`],
  );
});

posixTest("oci serve --proxy logs in to the upstream registry with --user", async () => {
  await using dir = await makeTempDir();
  const built = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
  const challenge = { "www-authenticate": 'Basic realm="upstream"' };
  await using upstream = await serveRegistry(new MemoryContent().add("team/app", "1", built), {
    authenticate: ({ headers }) =>
      headers.get("authorization") === `Basic ${btoa("ann:secret")}`
        ? undefined
        : new Response(null, { status: 401, headers: challenge }),
  });
  const statuses: number[] = [];

  for (const login of [[], ["--user", "ann:secret"]]) {
    const served = await serve(dir.join("store"), ["--proxy", upstream.url, ...login]);
    const response = await fetch(`${served.url}/v2/team/app/manifests/1`);
    await response.body?.cancel();
    await served.stop("SIGTERM");
    statuses.push(response.status);
  }

  assertEquals(statuses, [403, 200]);
});

const USAGE = [
  {
    args: ["serve", "--user", "ann:secret"],
    says: '"--user" requires "--proxy". Leave it out, or add "--proxy URL"',
  },
  {
    args: ["serve", "--ca", "ca.pem"],
    says: '"--ca" requires "--proxy". Leave it out, or add "--proxy URL"',
  },
  {
    args: ["serve", "--listen=127.1:0", "--proxy=http://127.0.0.1:9", "--user=ann:secret"],
    says: "all clients that reach the address could pull from 127.0.0.1:9 with this credential. " +
      "Require a login with --htpasswd",
  },
];

Deno.test.each(USAGE)("oci $args is refused", async ({ args, says }) => {
  const { code, stderr } = await runOci(args, { env: { OCI_STORE: "/nowhere/store" } });

  assertEquals({ code, end: stderr.split("oci: serve: ").at(-1) }, { code: 2, end: `${says}\n` });
});

posixTest("oci serve that is killed leaves no part of a blob for the next one", async () => {
  await using dir = await makeTempDir();
  const store = dir.join("store");
  const begin = async (url: string) => {
    const begun = await fetch(`${url}/v2/a/blobs/uploads/`, { method: "POST" });
    await begun.body?.cancel();
    return `${url}${begun.headers.get("location")}`;
  };
  const files = (folder: string) => namesIn(`${store}/${folder}`);

  const first = await serve(store);
  const url = await begin(first.url);
  const patched = await fetch(url, { method: "PATCH", body: new Uint8Array(100_000) });
  await patched.body?.cancel();
  await first.stop("SIGKILL");
  const left = await files("ingest");
  const second = await serve(store);
  await begin(second.url);
  const during = await files("ingest");
  await second.stop("SIGTERM");

  assertEquals([patched.status, left.length, during.length], [202, 1, 1]);
  assertEquals(left[0] === during[0], false);
  assertEquals([await files("ingest"), await files("blobs/sha256")], [[], []]);
});
