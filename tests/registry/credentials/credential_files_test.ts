import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { credentialPaths } from "../../../registry/credentials/credential_paths.ts";
import { CredentialFiles, loginOf, summarizeCredentials } from "../../../registry/mod.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { posixTest, rootTest, userTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

const U = { auth: btoa("u:p") };

const FOUND = { username: "u", password: "p" };

Deno.test.each<{ keys: string[]; repository: string; isFound: boolean }>([
  { keys: ["ghcr.io"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["GHCR.io"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["ghcr.io/"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["https://ghcr.io"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["https://ghcr.io/v1/"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["https://ghcr.io/v2/"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["http://h:5000"], repository: "h:5000/a", isFound: true },
  { keys: ["ghcr.io/a"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["ghcr.io/a/"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["ghcr.io/a/b"], repository: "ghcr.io/a/b", isFound: true },
  { keys: ["ghcr.io/a/b/c"], repository: "ghcr.io/a/b", isFound: false },
  { keys: ["ghcr.io/other"], repository: "ghcr.io/a/b", isFound: false },
  { keys: ["ghcr.io/a"], repository: "ghcr.io/ab/c", isFound: false },
  { keys: ["h"], repository: "h:5000/a", isFound: false },
  { keys: ["https://index.docker.io/v1/"], repository: "docker.io/library/a", isFound: true },
  { keys: ["index.docker.io"], repository: "docker.io/library/a", isFound: true },
  { keys: ["docker.io"], repository: "docker.io/library/a", isFound: true },
  { keys: ["registry-1.docker.io"], repository: "docker.io/library/a", isFound: true },
  { keys: ["docker.io/me"], repository: "docker.io/me/a", isFound: true },
  { keys: ["docker.io/me"], repository: "docker.io/you/a", isFound: false },
  {
    keys: ["https://index.docker.io/v1/access-token", "https://index.docker.io/v1/refresh-token"],
    repository: "docker.io/library/a",
    isFound: false,
  },
])("CredentialFiles.find() matches $keys with $repository: $isFound", async (row) => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  const auths = Object.fromEntries(row.keys.map((key) => [key, U]));
  await Deno.writeTextFile(path, JSON.stringify({ auths }));
  const [registry = "", ...rest] = row.repository.split("/");

  const found = await new CredentialFiles({ paths: [path] })
    .find({ registry, repository: rest.join("/") });

  assertEquals(found, row.isFound ? { auth: FOUND, source: path } : undefined);
});

Deno.test.each([
  { keys: ["h.io", "https://h.io", "https://h.io/v1/"], repository: "h.io/a" },
  {
    keys: ["docker.io", "https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"],
    repository: "docker.io/library/a",
  },
  {
    keys: ["https://index.docker.io/v1/", "https://index.docker.io/v1/refresh-token"],
    repository: "docker.io/library/a",
  },
])("CredentialFiles.find() prefers the first of $keys, however they are ordered", async (row) => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  const [registry = "", ...rest] = row.repository.split("/");
  const users: (string | undefined)[] = [];

  for (const keys of [row.keys, row.keys.toReversed()]) {
    const auths = Object.fromEntries(keys.map((key) => [key, { auth: btoa(`${key.length}:p`) }]));
    await Deno.writeTextFile(path, JSON.stringify({ auths }));
    const found = await new CredentialFiles({ paths: [path] })
      .find({ registry, repository: rest.join("/") });
    users.push(found?.auth.username);
  }

  const first = String(row.keys[0]?.length);
  assertEquals(users, [first, first]);
});

Deno.test("CredentialFiles.find() prefers the longest key", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("auth.json");
  const auths = { "h.io": { auth: btoa("short:1") }, "h.io/a": { auth: btoa("long:2") } };
  await Deno.writeTextFile(path, JSON.stringify({ auths }));

  const found = await new CredentialFiles({ paths: [path] })
    .find({ registry: "h.io", repository: "a/b" });

  assertEquals(found?.auth.username, "long");
});

Deno.test.each([
  { entry: { auth: "dTpwOnE=" }, auth: { username: "u", password: "p:q" } },
  { entry: { username: "u", password: "p" }, auth: { username: "u", password: "p" } },
  { entry: { auth: "dTpwAAA=" }, auth: { username: "u", password: "p" } },
  { entry: { registrytoken: "t", auth: "dTpw" }, auth: { registryToken: "t" } },
  { entry: { identitytoken: "t" }, auth: { identityToken: "t" } },
  {
    entry: { auth: "MDAwOg==", identitytoken: "t" },
    auth: { username: "000", password: "", identityToken: "t" },
  },
  {
    entry: { auth: "dTpw", username: "other", password: "x" },
    auth: { username: "u", password: "p" },
  },
  { entry: { AUTH: "dTpw" }, auth: { username: "u", password: "p" } },
  { entry: {}, auth: undefined },
  { entry: { auth: "not base64!" }, auth: undefined },
  { entry: { auth: 5, username: null }, auth: undefined },
])("CredentialFiles.find() reads the entry $entry", async ({ entry, auth }) => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, JSON.stringify({ auths: { "h.io": entry } }));

  const found = await new CredentialFiles({ paths: [path] })
    .find({ registry: "h.io", repository: "a" });

  assertEquals<unknown>(found?.auth, auth);
});

Deno.test.each([
  { entry: { auth: "not base64!" }, why: '"auth" is not a user name and a password in base64' },
  { entry: { auth: btoa("nocolon") }, why: '"auth" is not a user name and a password in base64' },
  { entry: "dTpw", why: "it is not an object" },
])("CredentialFiles.find() warns about the entry $entry", async ({ entry, why }) => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  await Deno.writeTextFile(
    path,
    JSON.stringify({ auths: { "https://H.io/v1/": entry, "b.io": 7 } }),
  );
  const warnings: string[] = [];

  const found = await new CredentialFiles({ paths: [path] })
    .find({ registry: "h.io", repository: "a" }, { onWarning: (text) => warnings.push(text) });
  const { problems } = await summarizeCredentials(path);

  assertEquals(found, undefined);
  assertEquals(warnings, [`Cannot read the credential for "h.io" in "${path}": ${why}`]);
  assertEquals(problems.map(({ registry }) => registry), ["h.io", "b.io"]);
});

Deno.test("CredentialFiles.find() accepts an empty file", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, "\n");
  const warnings: string[] = [];

  const found = await new CredentialFiles({ paths: [path] })
    .find({ registry: "h.io", repository: "a" }, { onWarning: (text) => warnings.push(text) });

  assertEquals([found, warnings], [undefined, []]);
});

posixTest.each([
  { what: "named pipe", why: "it is not a regular file" },
  { what: "directory", why: "it is not a regular file" },
  { what: "huge sparse file", why: "it is larger than 1048576 bytes" },
])("CredentialFiles.find() does not read a $what", async ({ what, why }) => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  if (what === "named pipe") await run("mkfifo", [path]);
  else if (what === "directory") await Deno.mkdir(path);
  else {
    await Deno.writeTextFile(path, "{}");
    await Deno.truncate(path, 3 * 1024 ** 3);
  }
  const warnings: string[] = [];

  const found = await new CredentialFiles({ paths: [path] })
    .find({ registry: "h.io", repository: "a" }, { onWarning: (text) => warnings.push(text) });
  const { state } = await summarizeCredentials(path);

  assertEquals([found, state], [undefined, "unreadable"]);
  assertEquals(warnings, [`Cannot read the credentials in "${path}": ${why}`]);
});

Deno.test("CredentialFiles.find() uses the first file with a credential, and skips invalid ones", async () => {
  await using dir = await makeTempDir();
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(dir.join(name), text);
    return dir.join(name);
  };
  const warnings: string[] = [];
  const paths = [
    dir.join("missing"),
    await write("broken", '{ "auths": { "h.io": { "auth": "c2VjcmV0' /* cut off */),
    await write("odd", "[]"),
    await write("other", JSON.stringify({ auths: { "other.io": U } })),
    await write("first", JSON.stringify({ auths: { "h.io": U } })),
    await write("second", JSON.stringify({ auths: { "h.io": { auth: btoa("x:y") } } })),
  ];

  const found = await new CredentialFiles({ paths }).find({ registry: "h.io", repository: "a" }, {
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(found, { auth: FOUND, source: dir.join("first") });
  assertEquals(warnings, [
    `Cannot read the credentials in "${dir.join("broken")}": it is not JSON`,
    `Cannot read the credentials in "${dir.join("odd")}": it is not a JSON object`,
  ]);
});

Deno.test("credentialPaths() lists the files of docker and podman in their order", () => {
  const env: Record<string, string> = {
    HOME: "/home/me",
    REGISTRY_AUTH_FILE: "/auth",
    XDG_RUNTIME_DIR: "/run/1",
  };

  assertEquals(credentialPaths((name) => env[name]), [
    "/auth",
    "/home/me/.docker/config.json",
    "/run/1/containers/auth.json",
    "/home/me/.config/containers/auth.json",
  ]);
  const moved: Record<string, string> = {
    ...env,
    DOCKER_CONFIG: "/docker",
    XDG_CONFIG_HOME: "/config",
  };
  assertEquals(credentialPaths((name) => moved[name]), [
    "/auth",
    "/docker/config.json",
    "/run/1/containers/auth.json",
    "/config/containers/auth.json",
  ]);
  const others = credentialPaths(() => undefined);
  assertEquals(others.filter((path) => path !== `/run/containers/${Deno.uid()}/auth.json`), []);
});

rootTest("CredentialFiles reads podman's file of the user without XDG_RUNTIME_DIR", async () => {
  const module = toFileUrl(join(ROOT, "registry/credentials/credential_files.ts")).href;
  const auths = JSON.stringify({ auths: { "h.io": { auth: btoa("u:p") } } });
  const script = `import { CredentialFiles } from ${JSON.stringify(module)};
    const found = await new CredentialFiles().find({ registry: "h.io", repository: "a" });
    console.log(JSON.stringify(found ?? null));`;
  const shell = "mount -t tmpfs none /run && mkdir -p /run/containers/0 && " +
    'printf %s "$AUTHS" > /run/containers/0/auth.json && exec "$DENO" eval --no-check "$SCRIPT"';

  const { code, stdout, stderr } = await run("unshare", ["--mount", "sh", "-c", shell], {
    env: {
      ...await denoEnvironment(),
      HOME: "/nonexistent",
      AUTHS: auths,
      SCRIPT: script,
      DENO: Deno.execPath(),
    },
  });

  assertEquals([code, stderr], [0, ""]);
  assertEquals(JSON.parse(stdout), {
    auth: { username: "u", password: "p" },
    source: "/run/containers/0/auth.json",
  });
});

Deno.test("CredentialFiles.find() stops with the signal's reason", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, "{}");
  const reason = new Error("enough");

  const error = await assertRejects(() =>
    new CredentialFiles({ paths: [path] })
      .find({ registry: "h.io", repository: "a" }, { signal: AbortSignal.abort(reason) })
  );

  assertEquals(error, reason);
});

Deno.test("loginOf() keeps what follows the first colon", () => {
  assertEquals(loginOf({ auth: btoa("u:a:b:") }), { username: "u", password: "a:b:" });
  assertEquals(loginOf({ auth: btoa("no colon") }), undefined);
  assertEquals(loginOf({}), undefined);
});

userTest("CredentialFiles warns about a file that it may not read", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("config.json");
  await Deno.writeTextFile(path, "{}", { mode: 0o000 });
  const warnings: string[] = [];

  await new CredentialFiles({ paths: [path] })
    .find({ registry: "h.io", repository: "a" }, { onWarning: (text) => warnings.push(text) });

  assertEquals(warnings, [`Cannot read the credentials in "${path}": permission denied`]);
});

Deno.test("CredentialFiles.find() prefers DOCKER_AUTH_CONFIG to the file of docker", async () => {
  await using dir = await makeTempDir();
  const place = { registry: "h.io", repository: "a" };
  const config = (user: string, more = {}) =>
    JSON.stringify({ auths: { "h.io": { auth: btoa(`${user}:p`) } }, ...more });
  await Deno.writeTextFile(dir.join("config.json"), config("docker"));
  await Deno.writeTextFile(dir.join("auth.json"), config("podman"));
  const variables = { DOCKER_CONFIG: dir.path, DOCKER_AUTH_CONFIG: config("variable") };
  const find = async (env: Readonly<Record<string, string>>) => {
    const warnings: string[] = [];
    const found = await new CredentialFiles({ env: (name) => env[name] })
      .find(place, { onWarning: (message) => warnings.push(message) });
    return [found?.auth.username, found?.source, ...warnings];
  };
  const file = dir.join("config.json");

  assertEquals(await find(variables), ["variable", "$DOCKER_AUTH_CONFIG"]);
  const other = JSON.stringify({ auths: { "other.io": U } });
  assertEquals(await find({ ...variables, DOCKER_AUTH_CONFIG: other }), ["docker", file]);
  assertEquals(await find({ ...variables, DOCKER_AUTH_CONFIG: "" }), ["docker", file]);
  assertEquals(await find({ ...variables, DOCKER_AUTH_CONFIG: "{" }), [
    "docker",
    file,
    'Cannot read the credentials in "$DOCKER_AUTH_CONFIG": it is not JSON',
  ]);
  // Docker accepts no helpers there.
  const helpers = { credHelpers: { "h.io": "none" }, credsStore: "none" };
  assertEquals(await find({ ...variables, DOCKER_AUTH_CONFIG: config("variable", helpers) }), [
    "variable",
    "$DOCKER_AUTH_CONFIG",
  ]);
  const explicit = dir.join("auth.json");
  assertEquals(await find({ ...variables, REGISTRY_AUTH_FILE: explicit }), ["podman", explicit]);
});

Deno.test.each([0, -1, NaN])(
  "CredentialFiles refuses a helperTimeoutMs of %d",
  (helperTimeoutMs) => {
    assertThrows(() => new CredentialFiles({ helperTimeoutMs }), RangeError, '"helperTimeoutMs"');
  },
);
