import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import {
  CredentialFileError,
  CredentialFiles,
  eraseCredential,
  eraseCredentials,
  saveCredential,
} from "../../../registry/mod.ts";
import { OciError } from "../../../spec/mod.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

const AUTH = { username: "ann", password: "s:é" };

/** Writes a helper that keeps credentials in files of `dir`, and puts it on the `PATH`. */
async function installHelper(dir: TempDir, name: string, script = HELPER): Promise<Disposable> {
  const path = Deno.env.get("PATH") ?? "";
  await Deno.writeTextFile(dir.join(`docker-credential-${name}`), script, { mode: 0o755 });
  await Deno.mkdir(dir.join("kept"), { recursive: true });
  Deno.env.set("PATH", `${dir.path}:${path}`);
  return { [Symbol.dispose]: () => Deno.env.set("PATH", path) };
}

const HELPER = `#!/bin/sh
cd "$(dirname "$0")/kept" || exit 1
case "$1" in
  store)
    input="$(cat)"
    name="$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' | tr / _)"
    printf %s "$input" > "$name" ;;
  get)
    name="$(cat | tr / _)"
    [ -f "$name" ] || { echo "credentials not found in native keychain"; exit 1; }
    cat "$name" ;;
  erase) rm -f "$(cat | tr / _)" ;;
  list) echo '{"https://h.io":"ann"}' ;;
esac
`;

async function find(path: string, registry: string, repository = "app") {
  return (await new CredentialFiles({ paths: [path] }).find({ registry, repository }))?.auth;
}

Deno.test("saveCredential() creates a file and a directory that only their owner can read", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("docker", "config.json");

  const stored = await saveCredential("H.io:5000", AUTH, { path });

  assertEquals(stored, { path, helper: undefined, replaced: [], shadowedBy: [] });
  assertEquals(await find(path, "h.io:5000"), AUTH);
  if (Deno.build.os !== "windows") {
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    assertEquals(((await Deno.stat(dir.join("docker"))).mode ?? 0) & 0o777, 0o700);
  }
  assertEquals((await Array.fromAsync(Deno.readDir(dir.join("docker")))).length, 1);
});

posixTest("saveCredential() tightens the mode of a world-readable file", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, "{}", { mode: 0o644 });

  await saveCredential("h.io", AUTH, { path });

  assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
});

Deno.test.each([
  { registry: "docker.io", key: "https://index.docker.io/v1/" },
  { registry: "index.docker.io", key: "https://index.docker.io/v1/" },
  { registry: "https://ghcr.io/v2/", key: "ghcr.io" },
  { registry: "quay.io/team", key: "quay.io/team" },
])("saveCredential() stores $registry as $key", async ({ registry, key }) => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");

  await saveCredential(registry, AUTH, { path });

  assertEquals(Object.keys(JSON.parse(await Deno.readTextFile(path)).auths), [key]);
});

Deno.test("saveCredential() stores an identity token with the user that podman expects", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");

  await saveCredential("h.io", { identityToken: "token" }, { path });

  const { auths } = JSON.parse(await Deno.readTextFile(path));
  assertEquals(auths, { "h.io": { auth: btoa("<token>:"), identitytoken: "token" } });
  assertEquals((await find(path, "h.io"))?.identityToken, "token");
});

Deno.test.each([
  { name: "half a file", text: '{ "auths": { "h.io": { "auth": "c2Vj' },
  { name: "a list", text: "[]" },
  { name: "a byte order mark", text: "\ufeff{}" },
  { name: "no UTF-8", text: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) },
])("saveCredential() and eraseCredential() leave a file with $name as it is", async ({ text }) => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  await Deno.writeFile(path, bytes);

  for (
    const change of [
      () => saveCredential("h.io", AUTH, { path }),
      () => eraseCredential("h.io", { paths: [path] }),
      () => eraseCredentials({ paths: [path] }),
    ]
  ) {
    const error = await assertRejects(change, CredentialFileError, "it is not");
    assert(!error.message.includes("c2Vj"));
  }

  assertEquals(await Deno.readFile(path), bytes);
  assertEquals((await Array.fromAsync(Deno.readDir(dir.path))).length, 1);
});

posixTest("saveCredential() writes to the target of symlinks, and keeps the links", async () => {
  await using dir = await makeTempDir();
  await Deno.mkdir(dir.join("real"));
  await Deno.symlink("real/first.json", dir.join("second.json"));
  await Deno.symlink("second.json", dir.join("config.json"));
  const path = dir.join("config.json");

  await saveCredential("h.io", AUTH, { path });
  await saveCredential("i.io", AUTH, { path });

  assertEquals((await Deno.lstat(path)).isSymlink, true);
  assertEquals((await Deno.lstat(dir.join("second.json"))).isSymlink, true);
  assertEquals(await find(dir.join("real/first.json"), "h.io"), AUTH);
  assertEquals(await find(path, "i.io"), AUTH);
});

Deno.test("saveCredential() keeps the entries of concurrent logins", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  const hosts = Array.from({ length: 8 }, (_, i) => `h${i}.io`);
  await Deno.writeTextFile(dir.join(".config.json.oci-left"), "secret");

  await Promise.all(hosts.map((host) => saveCredential(host, AUTH, { path })));

  const { auths } = JSON.parse(await Deno.readTextFile(path));
  assertEquals(Object.keys(auths).sort(), hosts);
  const names = await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name);
  assertEquals(names, ["config.json"]);
});

posixTest("CredentialFiles ignores the case of members in the output of a helper", async () => {
  await using dir = await makeTempDir();
  using _ = await installHelper(
    dir,
    "odd",
    `#!/bin/sh\necho '{"username":"ann","SECRET":"s"}'\n`,
  );
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, '{"credHelpers":{"h.io":"odd"}}');

  assertEquals(await find(path, "h.io"), { username: "ann", password: "s" });
});

posixTest("saveCredential() leaves the secret to the helper that the file names", async () => {
  await using dir = await makeTempDir();
  using _ = await installHelper(dir, "keep");
  const path = dir.join("config.json");
  await Deno.writeTextFile(
    path,
    '{"credHelpers":{"h.io":"keep"},"auths":{"h.io":{"auth":"b2xkOm9sZA=="}}}',
  );

  const stored = await saveCredential("h.io", AUTH, { path });

  assertEquals([stored.path, stored.helper], [path, "docker-credential-keep"]);
  assertEquals(
    await Deno.readTextFile(path),
    '{"credHelpers":{"h.io":"keep"},"auths":{"h.io":{}}}',
  );
  assertEquals(await find(path, "h.io"), AUTH);
  assertEquals(await eraseCredential("h.io", { paths: [path] }), ["docker-credential-keep"]);
  assertEquals(await find(path, "h.io"), undefined);
  assertEquals(await eraseCredential("h.io", { paths: [path] }), []);
});

posixTest(
  "CredentialFiles.find() runs a helper again after a minute: its credential may expire",
  async () => {
    using time = manualTime();
    await using dir = await makeTempDir();
    const script = '#!/bin/sh\ncd "$(dirname "$0")" && echo x >> calls\n' +
      `printf '{"Username":"ann","Secret":"%s"}' $(wc -l < calls)\n`;
    using _ = await installHelper(dir, "count", script);
    const path = dir.join("config.json");
    await Deno.writeTextFile(path, '{"credsStore":"count"}');
    const files = new CredentialFiles({ paths: [path] });
    const secret = async () => {
      return (await files.find({ registry: "h.io", repository: "a" }))?.auth.password;
    };

    const secrets = [await secret(), await secret()];
    time.pass(60_000);
    secrets.push(await secret());

    assertEquals(secrets, ["1", "1", "2"]);
  },
);

posixTest("CredentialFiles.find() shares a helper with a search that is aborted", async () => {
  await using dir = await makeTempDir();
  const script = '#!/bin/sh\ncd "$(dirname "$0")"; touch started\n' +
    "while [ ! -e go ]; do sleep 0.01; done\n" +
    `echo '{"Username":"ann","Secret":"s"}'\n`;
  using _ = await installHelper(dir, "slow", script);
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, '{"credsStore":"slow"}');
  const files = new CredentialFiles({ paths: [path] });
  const repository = { registry: "h.io", repository: "a" };
  const controller = new AbortController();

  const aborted = files.find(repository, { signal: controller.signal });
  const other = files.find(repository);
  const rejected = assertRejects(() => aborted, Error, "enough");
  while (!await exists(dir.join("started"))) await new Promise((resolve) => setTimeout(resolve));
  controller.abort(new Error("enough"));
  await rejected;
  await Deno.writeTextFile(dir.join("go"), "");

  assertEquals((await other)?.auth, { username: "ann", password: "s" });
});

posixTest("saveCredential() runs no helper if the signal is already aborted", async () => {
  await using dir = await makeTempDir();
  using _ = await installHelper(dir, "keep");
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, '{"credsStore":"keep"}');
  const signal = AbortSignal.abort(new Error("enough"));

  await assertRejects(() => saveCredential("h.io", AUTH, { path, signal }), Error, "enough");

  assertEquals(await Array.fromAsync(Deno.readDir(dir.join("kept"))), []);
});

Deno.test("saveCredential() leaves no file open if the signal is already aborted", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  const signal = AbortSignal.abort(new Error("enough"));

  await assertRejects(() => saveCredential("h.io", AUTH, { path, signal }), Error, "enough");
});

Deno.test("saveCredential() uses the file for a host whose helper has an empty name", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, '{"credHelpers":{"h.io":""},"credsStore":"absent"}');

  const stored = await saveCredential("h.io", AUTH, { path });

  assertEquals([stored.path, stored.helper], [path, undefined]);
  assertMatch(await Deno.readTextFile(path), /"auths":\s*\{\s*"h\.io"/);
});

Deno.test.each([
  { name: "is missing", helper: undefined, message: /"docker-credential-bad" is not installed/ },
  { name: "fails", helper: "#!/bin/sh\necho locked; exit 3", message: /failed: "locked"/ },
  {
    name: "hangs",
    helper: "#!/bin/sh\nsleep 30",
    message: /did not answer within 0.3 s/,
    helperTimeoutMs: 300,
  },
])("saveCredential() fails, and writes nothing, where the helper $name", async (row) => {
  await using dir = await makeTempDir();
  using _ = await (row.helper === undefined
    ? { [Symbol.dispose]: () => {} }
    : installHelper(dir, "bad", row.helper));
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, '{"credsStore":"bad"}');

  const error = await assertRejects(
    () =>
      saveCredential("h.io", AUTH, { path, helperTimeoutMs: row.helperTimeoutMs }),
    OciError,
  );

  assert(row.message.test(error.message), error.message);
  assertEquals(await Deno.readTextFile(path), '{"credsStore":"bad"}');
});

Deno.test("saveCredential() refuses invalid credentials", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");

  await assertRejects(() => saveCredential("h.io", {}, { path }), RangeError);
  await assertRejects(() => saveCredential("h.io", { username: "a:b" }, { path }), RangeError);

  assertEquals(await Array.fromAsync(Deno.readDir(dir.path)), []);
});

Deno.test("eraseCredential() erases every name of a registry from every file, and no other", async () => {
  await using dir = await makeTempDir();
  const [docker, podman] = [dir.join("config.json"), dir.join("auth.json")];
  await Deno.writeTextFile(
    docker,
    '{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"},"docker.io/me":{"auth":"dTpw"}}}',
  );
  await Deno.writeTextFile(podman, '{"auths":{"docker.io":{"auth":"dTpw"},"h.io":{}}}');
  const paths = [docker, podman, dir.join("missing.json")];

  const erased = await eraseCredential("docker.io", { paths });

  assertEquals(erased, [docker, podman]);
  assertEquals(
    await Deno.readTextFile(docker),
    '{"auths":{"docker.io/me":{"auth":"dTpw"}}}',
  );
  assertEquals(await Deno.readTextFile(podman), '{"auths":{"h.io":{}}}');
});

Deno.test("eraseCredential() erases docker's tokens for Docker Hub, but saveCredential() does not", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  const token = '"https://index.docker.io/v1/refresh-token":{"auth":"dTp0"}';
  await Deno.writeTextFile(path, `{"auths":{${token},"h.io":{"auth":"dTpw"}}}`);

  await saveCredential("docker.io", AUTH, { path });
  assert((await Deno.readTextFile(path)).includes(token));
  assertEquals(await find(path, "docker.io"), AUTH);

  assertEquals(await eraseCredential("docker.io", { paths: [path] }), [path]);
  assertEquals(await Deno.readTextFile(path), '{"auths":{"h.io":{"auth":"dTpw"}}}');
});

posixTest("eraseCredentials() erases all credentials, including those in helpers", async () => {
  await using dir = await makeTempDir();
  using _ = await installHelper(dir, "keep");
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, '{"credsStore":"keep","auths":{"x.io":{"auth":"dTpw"}}}');
  await Deno.writeTextFile(dir.join("kept/https:__h.io"), "{}");

  const erased = await eraseCredentials({ paths: [path] });

  assertEquals(erased, ["docker-credential-keep", path]);
  assertEquals(await Deno.readTextFile(path), '{"credsStore":"keep","auths":{}}');
  assertEquals(await Array.fromAsync(Deno.readDir(dir.join("kept"))), []);
});
