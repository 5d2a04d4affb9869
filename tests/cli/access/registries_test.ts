import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path";
import { faultyRegistry, on, respond } from "../../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { permissionsFor } from "../../_support/oci_permissions.ts";
import { ociSession } from "../../_support/oci_session.ts";
import type { ProcessResult, RunOciOptions } from "../../_support/process.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const runOci = ociSession();

const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
const { digest: DIGEST } = IMAGE.descriptor;

/** A registry with the image in a repository. */
function registryWith(repository: string, ...rules: Parameters<typeof faultyRegistry>[1] & object) {
  return faultyRegistry(new MemoryContent().add(repository, "1", IMAGE), rules);
}

/** A home directory and a store. */
async function makeHome() {
  const dir = await makeTempDir();
  const path = dir.join(".config/containers/registries.conf");
  await Deno.mkdir(dirname(path), { recursive: true });
  const env = { HOME: dir.path, OCI_STORE: dir.join("store"), CONTAINERS_REGISTRIES_CONF: "" };
  return {
    dir,
    env,
    /** Path of the file of the user. */
    path,
    configure: (text: string) => Deno.writeTextFile(path, text),
    oci: async (args: readonly string[], options: RunOciOptions = {}) => {
      const result = await runOci(args, { ...options, env: { ...env, ...options.env } });
      return { ...result, lines: result.stdout.trimEnd().split("\n") };
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

function assertDone({ code, stderr }: ProcessResult): void {
  assertEquals({ code, stderr: code === 0 ? "" : stderr }, { code: 0, stderr: "" });
}

/** A rule for a host with one mirror. */
function mirrorRule(host: string, mirror: string, settings = ""): string {
  return `[[registry]]\nlocation = "${host}"\n[[registry.mirror]]\nlocation = "${mirror}"\n${settings}`;
}

Deno.test("oci pull fetches from a configured mirror, and keeps the name of the image", async () => {
  await using mirror = registryWith("hub/app");
  await using upstream = registryWith("app");
  await using home = await makeHome();
  await home.configure(mirrorRule(upstream.host, `${mirror.host}/hub`));

  assertDone(await home.oci(["pull", "--platform=linux/amd64", `${upstream.host}/app:1`]));
  const images = await home.oci(["images", "--json"]);

  assertEquals(upstream.requests.length, 0);
  assert(mirror.requests.length > 0);
  assertStringIncludes(images.stdout, `"${upstream.host}/app:1"`);
});

Deno.test("oci pull falls back to the registry if a configured mirror fails", async () => {
  await using mirror = registryWith("app", on({}, respond(500)));
  await using upstream = registryWith("app");
  await using home = await makeHome();
  await home.configure(mirrorRule(upstream.host, mirror.host));

  const pulled = await home.oci(["pull", "--platform=linux/amd64", `${upstream.host}/app:1`]);

  assertDone(pulled);
  assertStringIncludes(pulled.stderr, `skipping the mirror ${mirror.host}`);
});

Deno.test("oci digest sends only digests to a digest-only mirror", async () => {
  await using mirror = registryWith("app");
  await using upstream = registryWith("app");
  await using home = await makeHome();
  const only = 'pull-from-mirror = "digest-only"';
  await home.configure(mirrorRule(upstream.host, mirror.host, only));

  assertDone(await home.oci(["digest", `${upstream.host}/app:1`]));
  const byTag = [mirror.requests.length, upstream.requests.length];
  assertDone(await home.oci(["digest", `${upstream.host}/app@${DIGEST}`]));

  assertEquals(byTag, [0, 1]);
  assertEquals([mirror.requests.length, upstream.requests.length], [1, 1]);
});

Deno.test("oci digest reads from another location", async () => {
  await using other = registryWith("real/app");
  await using home = await makeHome();
  await home.configure(
    `[[registry]]\nprefix = "example.com/foo"\nlocation = "${other.host}/real"\n`,
  );

  const found = await home.oci(["digest", "example.com/foo/app:1"]);

  assertEquals(found.lines, [DIGEST]);
});

Deno.test("oci refuses a registry that a file blocks, and names the file", async () => {
  await using home = await makeHome();
  await home.configure('[[registry]]\nprefix = "example.com/bad"\nblocked = true\n');

  const { code, stderr } = await home.oci(["pull", "example.com/bad/app:1"]);

  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    `cannot access "example.com/bad/app:1": ${home.path} blocks example.com/bad. Use another`,
  );
});

Deno.test("oci gives options precedence over the files", async () => {
  await using mirror = registryWith("app");
  await using explicit = registryWith("app");
  await using home = await makeHome();
  await home.configure(mirrorRule("example.com", mirror.host));

  const mirrorOption = `example.com=${explicit.url}`;
  assertDone(await home.oci(["digest", "--mirror", mirrorOption, "example.com/app:1"]));

  assertEquals([explicit.requests.length, mirror.requests.length], [1, 0]);
});

Deno.test("oci reads only the file that $CONTAINERS_REGISTRIES_CONF names", async () => {
  await using registry = registryWith("app");
  await using home = await makeHome();
  await home.configure('[[registry]]\nprefix = "example.com"\nblocked = true\n');
  const path = home.dir.join("my.conf");
  await Deno.writeTextFile(
    path,
    `[[registry]]\nprefix = "example.com"\nlocation = "${registry.host}"`,
  );

  const env = { CONTAINERS_REGISTRIES_CONF: path };
  const found = await home.oci(["digest", "example.com/app:1"], { env });

  assertEquals(found.lines, [DIGEST]);
});

Deno.test("oci resolves the aliases of a file, in each command", async () => {
  await using registry = registryWith("real/app");
  await using home = await makeHome();
  await home.configure(`[aliases]\n"my/app" = "${registry.host}/real/app"\n`);
  const full = `${registry.host}/real/app:1`;

  const digest = await home.oci(["digest", "my/app:1"]);
  assertDone(await home.oci(["pull", "--platform=linux/amd64", "my/app:1"]));
  const never = ["--policy=never", "--platform=linux/amd64"];
  const inspected = await home.oci(["inspect", "--json", ...never, "my/app:1"]);
  const listed = await home.oci(["images", "--json"]);
  const other = await home.oci(["pull", ...never, "docker.io/my/app:1"]);
  const removed = await home.oci(["rm", "my/app:1"]);

  assertEquals(digest.lines, [DIGEST]);
  assertDone(inspected);
  assertStringIncludes(listed.stdout, `"${full}"`);
  assertEquals(other.code, 1);
  assertStringIncludes(other.stderr, "docker.io/my/app:1");
  assertEquals(removed.lines, [full]);
});

Deno.test("oci resolves a short name without an alias to Docker Hub", async () => {
  await using home = await makeHome();
  await home.configure(
    'unqualified-search-registries = ["example.com"]\n[aliases]\nother = "example.com/other"\n',
  );

  const { code, stderr } = await home.oci(["pull", "--policy=never", "app:1"]);

  assertEquals(code, 1);
  assertStringIncludes(stderr, "docker.io/library/app:1");
});

Deno.test("oci names the line of a damaged file, and works if it does not need the file", async () => {
  await using registry = registryWith("app");
  await using home = await makeHome();
  await home.configure('[[registry]]\nlocation = "a.io"\nlocation = "b.io"\n');
  const line = `cannot use "${home.path}": line 3: "location" is defined twice. Correct the file`;

  const full = await home.oci(["digest", `${registry.host}/app:1`]);
  const short = await home.oci(["pull", "--policy=never", "app"]);
  const images = await home.oci(["images"]);
  const doctor = await home.oci(["doctor", "app"]);

  assertEquals([full.code, short.code], [1, 1]);
  assertStringIncludes(full.stderr, line);
  assertStringIncludes(short.stderr, line);
  assertEquals(registry.requests.length, 0);
  assertDone(images);
  assertDone(doctor);
  assertMatch(doctor.stdout, /problem {2}\S+registries\.conf cannot be used: line 3: /);
});

Deno.test("oci warns of a file that it cannot read", async () => {
  await using registry = registryWith("app");
  await using home = await makeHome();
  await Deno.mkdir(home.path);

  const found = await home.oci(["digest", `${registry.host}/app:1`]);

  assertEquals(found.lines, [DIGEST]);
  assertStringIncludes(
    found.stderr,
    `warning: cannot read "${home.path}": it is not a regular file`,
  );
});

Deno.test("oci doctor reports the files, and the addresses of an image", async () => {
  await using home = await makeHome();
  await home.configure(mirrorRule("example.com", "mirror.example/x", "insecure = true"));
  await Deno.mkdir(`${home.path}.d`);
  await Deno.writeTextFile(
    `${home.path}.d/1.conf`,
    '[aliases]\napp = "example.com/app"\n[[registry]]\nprefix = "bad.example"\nblocked = true\n',
  );

  const { stdout } = await home.oci(["doctor", "app:1"]);
  const json = await home.oci(["doctor", "--json", "bad.example/app"]);

  for (
    const line of [
      `ok       ${home.path} is read`,
      `ok       ${home.path}.d/1.conf is read`,
      "ok       example.com is pulled from mirror.example/x, then example.com",
      "ok       bad.example is blocked",
      "ok       1 short names are aliases",
      "1. https://mirror.example/v2/x/app (mirror)",
      "2. http://mirror.example/v2/x/app (mirror)",
      "3. https://example.com/v2/app",
    ]
  ) assertStringIncludes(stdout, line);
  const { mirrors, endpoints, findings } = JSON.parse(json.stdout);
  assertEquals(mirrors.files, [home.path, `${home.path}.d/1.conf`]);
  assertEquals(endpoints, []);
  assertEquals(findings[0], {
    about: "Endpoints",
    state: "problem",
    says: `bad.example/app is not reached: ${home.path}.d/1.conf blocks bad.example`,
  });
});

Deno.test("oci permissions grants the files and the hosts of mirrors", async () => {
  await using mirror = registryWith("app");
  await using home = await makeHome();
  await home.configure(
    `${mirrorRule("example.com", mirror.host)}[aliases]\nshort = "example.com/app"\n`,
  );
  await Deno.mkdir(`${home.path}.d`);

  for (const args of [["digest", "example.com/app:1"], ["digest", "short:1"]]) {
    const flags = await permissionsFor(runOci, args, { env: home.env });
    const found = await home.oci(args, { permissions: flags });

    assertEquals(found.lines, [DIGEST], found.stderr);
    assert(flags.includes(`--allow-net=example.com,${mirror.host}`), flags.join(" "));
  }
  assertEquals(mirror.requests.length, 2);
});
