import { assert, assertEquals, assertMatch } from "@std/assert";
import { basicAuthentication, serveRegistry } from "../../../../registry/mod.ts";
import { buildImage, MemoryContent } from "../../../_support/image.ts";
import { permissionsFor } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import type { RunOciOptions } from "../../../_support/process.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });

/** A registry that admits "ann" with the password "pw", and a home directory. */
async function makeScene() {
  await using resources = new AsyncDisposableStack();
  const home = resources.use(await makeTempDir());
  const content = new MemoryContent().add("app", "1", IMAGE);
  const authenticate = basicAuthentication((name, password) => name === "ann" && password === "pw");
  const { host } = resources.use(await serveRegistry(content, { authenticate }));
  const owned = resources.move();
  return {
    host,
    home,
    /** Docker's file. */
    config: home.join(".docker", "config.json"),
    /** Runs the command line with that home directory. */
    oci: (args: readonly string[], options: RunOciOptions = {}) => {
      const env = { HOME: home.path, OCI_STORE: home.join("store"), ...options.env };
      return runOci(args, { ...options, env });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("oci login stores a credential that pull uses, and logout erases it", async () => {
  await using scene = await makeScene();
  const { host, oci, config } = scene;
  const pull = ["pull", "-q", "--platform", "linux/amd64", `${host}/app:1`];

  const before = await oci(pull);
  const login = await oci(["login", "--user", "ann", "--password-stdin", host], { stdin: "pw\n" });
  const get = await oci(["login", "--get", host]);
  const pulled = await oci(pull);
  const logout = await oci(["logout", host]);
  const again = await oci(["logout", host]);
  const after = await oci(["pull", "-q", "--policy", "always", ...pull.slice(2)]);

  assertEquals(before.code, 1);
  assertMatch(before.stderr, /\. Log in with "oci login 127\.0\.0\.1:\d+"\n$/);
  assertEquals([login.code, login.stdout], [0, ""]);
  assertEquals(login.stderr, `oci: stored the credential in ${config}\n`);
  assertEquals([get.code, get.stdout], [0, "ann\n"]);
  assertEquals(pulled.code, 0, pulled.stderr);
  assertEquals([logout.code, logout.stdout], [0, ""]);
  assertEquals(logout.stderr, `oci: erased the credential in ${config}\n`);
  assertEquals([again.code, again.stdout], [1, ""]);
  assertEquals(again.stderr, `oci: logout ${host}: not logged in. See "oci doctor"\n`);
  assertEquals(after.code, 1);
});

Deno.test("oci login erases the older credential that podman would use instead", async () => {
  await using scene = await makeScene();
  const { host, oci, config, home } = scene;
  const runtime = home.join("run");
  const own = `${runtime}/containers/auth.json`;
  await Deno.mkdir(`${runtime}/containers`, { recursive: true });
  const write = () =>
    Deno.writeTextFile(own, `{"auths":{"${host}":{"auth":"b2xk"},"h.io":{"auth":"eDp5"}}}`);
  const env = { XDG_RUNTIME_DIR: runtime };
  const args = ["login", "--user", "ann:pw"];

  await write();
  const refused = await oci(["login", "--user", "ann:no", host], { env });
  const kept = await Deno.readTextFile(own);
  const permissions = await permissionsFor(oci, [...args, host], { env });
  const login = await oci([...args, host], { env, permissions });
  const left = await Deno.readTextFile(own);
  await write();
  const elsewhere = await oci([...args, "--authfile", home.join("auth.json"), host], { env });

  assertEquals([refused.code, kept.includes(host)], [1, true]);
  assertEquals(login.code, 0, login.stderr);
  assertEquals(
    login.stderr,
    `oci: stored the credential in ${config}\n` +
      `oci: erased the older credential in ${own}, which podman would use instead\n`,
  );
  assertEquals(left, '{"auths":{"h.io":{"auth":"eDp5"}}}');
  assertEquals(elsewhere.code, 0, elsewhere.stderr);
  assertEquals((await Deno.readTextFile(own)).includes(host), true);
});

Deno.test("oci login stores nothing that the registry refuses", async () => {
  await using scene = await makeScene();
  const { host, oci, home } = scene;

  const { code, stdout, stderr } = await oci(["login", "--user", "ann:wrong", host]);

  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^oci: login \S+: the registry rejected the credential \(401 .*\. Check /);
  assertEquals(stderr.trimEnd().split("\n").length, 1);
  assert(!stderr.includes("wrong"));
  assertEquals(await Array.fromAsync(Deno.readDir(home.path), ({ name }) => name), []);
});

Deno.test("oci login reports that a registry requires no login", async () => {
  await using scene = await makeScene();
  await using open = await serveRegistry(new MemoryContent());

  const { code, stderr, stdout } = await scene.oci(
    ["login", "--json", "--user", "ann:pw", open.host],
  );

  assertEquals(code, 0);
  assertMatch(stderr, /^oci: warning: \S+ requires no login, so the credential was not checked/);
  assertEquals(JSON.parse(stdout), {
    registry: open.host,
    username: "ann",
    checked: false,
    path: scene.config,
    helper: null,
  });
});

Deno.test("oci rejects a credential file on the command line that does not exist", async () => {
  await using scene = await makeScene();
  const missing = scene.home.join("none.json");
  const image = `${scene.host}/app:1`;

  const { code, stderr } = await scene.oci(["pull", "--authfile", missing, image]);

  assertEquals(code, 2);
  assertMatch(stderr, /: cannot read --authfile "\S+none\.json": .*\. Check the path\n$/);
});

Deno.test("oci login and logout change the given files", async () => {
  await using scene = await makeScene();
  const { host, oci, home, config } = scene;
  const [named, variable] = [home.join("named.json"), home.join("variable.json")];
  const env = { REGISTRY_AUTH_FILE: variable };
  const user = ["--user", "ann:pw", host];

  const codes = [
    (await oci(["login", ...user])).code,
    (await oci(["login", "--authfile", named, ...user])).code,
    (await oci(["login", ...user], { env })).code,
    (await oci(["pull", "--authfile", named, "--platform=linux/amd64", `${host}/app:1`])).code,
    (await oci(["logout", host], { env })).code,
  ];
  const get = await oci(["login", "--get", "--authfile", named, host]);
  const all = await oci(["logout", "--all", "--json", "--quiet"]);

  assertEquals(codes, [0, 0, 0, 0, 0]);
  assertEquals(get.stdout, "ann\n");
  assertEquals(JSON.parse(await Deno.readTextFile(variable)), { auths: {} });
  assertEquals(JSON.parse(await Deno.readTextFile(config)), { auths: {} });
  assertEquals(Object.keys(JSON.parse(await Deno.readTextFile(named)).auths), [host]);
  assertEquals(JSON.parse(all.stdout), { registry: null, erased: [config] });
});

Deno.test("oci login does not change a file that it cannot parse", async () => {
  await using scene = await makeScene();
  const { host, oci, config, home } = scene;
  await Deno.mkdir(home.join(".docker"));
  await Deno.writeTextFile(config, "{ half");

  const { code, stderr } = await oci(["login", "--user", "ann:pw", host]);

  assertEquals(code, 1);
  assertEquals(
    stderr,
    `oci: login ${host}: cannot change the credential file "${config}": it is not JSON. ` +
      "Fix the file, or use another file with --authfile\n",
  );
  assertEquals(await Deno.readTextFile(config), "{ half");
});

const MISUSE = [
  { args: ["login"], says: "<registry> is missing" },
  { args: ["login", "ghcr"], says: '"ghcr" is not a registry' },
  { args: ["login", "ghcr.io/a:1"], says: "is not a registry" },
  {
    args: ["login", "localhost:1"],
    says: 'cannot prompt for a user name without a terminal. Specify "--user',
  },
  {
    args: ["login", "--user", "a", "localhost:1"],
    says: "cannot prompt for a password without a terminal",
  },
  { args: ["login", "--platform", "a", "localhost:1"], says: "unknown option" },
  { args: ["logout"], says: 'the registry is missing. Specify a registry, or "--all"' },
  {
    args: ["logout", "--all", "ghcr.io"],
    says: 'a registry and "--all" cannot be combined. Leave out one of them',
  },
];

Deno.test.each(MISUSE)("oci reports $args as misuse", async ({ args, says }) => {
  const { code, stdout, stderr } = await runOci(args);

  assertEquals({ code, stdout }, { code: 2, stdout: "" });
  assert(stderr.includes(says), stderr);
});

Deno.test("oci permissions suffices for login and logout", async () => {
  await using scene = await makeScene();
  const { host, oci, home } = scene;
  await Deno.mkdir(home.join("dotfiles"));
  await Deno.mkdir(home.join(".docker"));
  if (Deno.build.os !== "windows") {
    await Deno.symlink("../dotfiles/docker.json", scene.config);
  }

  for (
    const args of [
      ["login", "--user", "ann:pw", host],
      ["login", "--get", host],
      ["login", "--authfile", home.join("auth.json"), "--user", "ann:pw", host],
      ["logout", host],
      ["logout", "--authfile", home.join("auth.json"), "--all"],
    ]
  ) {
    const permissions = await permissionsFor(oci, args);
    const { code, stderr } = await oci(["--quiet", ...args], { permissions });

    assertEquals({ args, code, stderr }, { args, code: 0, stderr: "" });
    assert(permissions.every((flag) => /^--allow-(net|read|write|env|run)=/.test(flag)));
  }
});

Deno.test("oci login and logout report a credential in $DOCKER_AUTH_CONFIG", async () => {
  await using scene = await makeScene();
  const { host, oci, config } = scene;
  const text = JSON.stringify({ auths: { [host]: { auth: btoa("ann:pw") } } });
  const env = { DOCKER_AUTH_CONFIG: text };

  const login = await oci(["login", "--user", "ann:pw", host], { env });
  const logout = await oci(["logout", host], { env });
  const again = await oci(["logout", host], { env });
  const all = await oci(["logout", "--all"], { env });

  assertEquals(
    login.stderr,
    `oci: stored the credential in ${config}\n` +
      "oci: warning: the credential in $DOCKER_AUTH_CONFIG is used instead. " +
      "Unset the variable to change that\n",
  );
  assertEquals(
    logout.stderr,
    `oci: erased the credential in ${config}\n` +
      `oci: warning: $DOCKER_AUTH_CONFIG still has a credential for ${host}. Unset the variable\n`,
  );
  assertEquals(
    again.stderr,
    `oci: logout ${host}: only $DOCKER_AUTH_CONFIG has a credential. Unset the variable\n`,
  );
  assertEquals(
    all.stderr,
    "oci: warning: $DOCKER_AUTH_CONFIG still has credentials. Unset the variable\n",
  );
  assertEquals([login, logout, again, all].map(({ code }) => code), [0, 0, 1, 0]);
});

Deno.test("oci logout reports a credential outside $REGISTRY_AUTH_FILE", async () => {
  await using scene = await makeScene();
  const { host, oci, config, home } = scene;
  const env = { REGISTRY_AUTH_FILE: home.join("auth.json") };
  await oci(["login", "--user", "ann:pw", host]);

  const { code, stderr } = await oci(["logout", host], { env });

  assertEquals(
    [code, stderr],
    [
      1,
      `oci: logout ${host}: only ${config} has a credential. ` +
      `Erase it with "--authfile ${config}"\n`,
    ],
  );
});

Deno.test("oci names the variables that lead to credentials but need a permission", async () => {
  await using scene = await makeScene();
  const { host, oci } = scene;
  const variables = "REGISTRY_AUTH_FILE,DOCKER_AUTH_CONFIG,DOCKER_CONFIG,XDG_RUNTIME_DIR," +
    "XDG_CONFIG_HOME,HOME,USERPROFILE";
  const skipped = `environment variables were skipped because they need --allow-env=${variables}`;
  await oci(["login", "--user", "ann:pw", host]);

  for (
    const { args, says } of [
      { args: ["digest", `${host}/app:1`], says: `(found no credential for it, ${skipped})` },
      { args: ["login", "--get", host], says: skipped },
      { args: ["login", "--user", "ann:pw", host], says: `is set and readable; ${skipped}` },
      { args: ["logout", host], says: `not logged in; ${skipped}` },
    ]
  ) {
    const permissions = (await permissionsFor(oci, args))
      .filter((flag) => !flag.startsWith("--allow-env"));
    const { code, stderr } = await oci(args, { permissions });

    assertEquals({ args, code }, { args, code: 1 });
    assert(stderr.includes(says), stderr);
  }
});

Deno.test("oci does not ask for USERPROFILE where it may read HOME", async () => {
  await using scene = await makeScene();
  const { host, oci } = scene;
  const permissions = [
    `--allow-net=${host}`,
    "--allow-env=HOME",
    `--allow-read=${scene.home.path}`,
  ];

  const { code, stderr } = await oci(["digest", `${host}/app:1`], { permissions });

  assertEquals(code, 1);
  assert(stderr.includes(",XDG_RUNTIME_DIR,XDG_CONFIG_HOME)"), stderr);
});
