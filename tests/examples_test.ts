import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { basicAuthentication, serveRegistry } from "../registry/mod.ts";
import { buildImage, MemoryContent } from "./_support/image.ts";
import { denoEnvironment, type ProcessResult, ROOT, run } from "./_support/process.ts";
import { posixTest } from "./_support/skip.ts";
import { file, tar } from "./_support/tar.ts";
import { makeTempDir, type TempDir } from "./_support/temp.ts";

const image = buildImage({
  layers: [tar(file("etc/os-release", "NAME=test\n"), file("bin/app", "app"))],
});
const { digest } = image.descriptor;

/** An image in a registry, a user with an empty store, and a way to run an example. */
async function lab(
  options: Parameters<typeof serveRegistry>[1] = {},
): Promise<
  AsyncDisposable & {
    readonly home: TempDir;
    readonly host: string;
    readonly reference: string;
    example(name: string, args: readonly string[], env?: object): Promise<ProcessResult>;
  }
> {
  await using resources = new AsyncDisposableStack();
  const home = resources.use(await makeTempDir());
  const registry = resources.use(
    await serveRegistry(new MemoryContent().add("app", "v1", image), options),
  );
  const owned = resources.move();
  return {
    home,
    host: registry.host,
    reference: `${registry.host}/app:v1`,
    example: async (name, args, env = {}) =>
      await run(Deno.execPath(), ["run", "-A", join(ROOT, "examples", name), ...args], {
        cwd: ROOT,
        env: {
          ...await denoEnvironment(),
          HOME: home.path,
          OCI_STORE: home.join("store"),
          NO_COLOR: "1",
          ...env,
        },
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("read_file.ts prints a file of an image", async () => {
  await using t = await lab();

  const { stdout, stderr } = await t.example("read_file.ts", [t.reference]);

  assertEquals(stdout, "NAME=test\n\n", stderr);
});

Deno.test("push_new_image.ts pushes an image whose file can be read", async () => {
  await using t = await lab();
  await using registry = await serveRegistry();
  const name = `${registry.host}/notes:v1`;

  const pushed = await t.example("push_new_image.ts", [name, "Buy bread."]);
  const read = await t.example("read_file.ts", [name, "note.txt"]);

  assertMatch(pushed.stdout, /^sha256:[0-9a-f]{64}\n$/, pushed.stderr);
  assertEquals(read.stdout, "Buy bread.\n", read.stderr);
});

Deno.test("add_layer.ts pushes an image with the files of both", async () => {
  await using t = await lab();
  await using registry = await serveRegistry();
  const name = `${registry.host}/app:motd`;

  const pushed = await t.example("add_layer.ts", [t.reference, name, "etc/motd", "Welcome."]);
  const reads = await Promise.all(["etc/motd", "etc/os-release"].map(async (path) => {
    return (await t.example("read_file.ts", [name, path])).stdout;
  }));

  assertMatch(pushed.stdout, /^sha256:[0-9a-f]{64}\n$/, pushed.stderr);
  assertEquals(reads, ["Welcome.\n", "NAME=test\n\n"]);
});

Deno.test("progress.ts shows progress up to the end", async () => {
  await using t = await lab();

  const { stdout, stderr } = await t.example("progress.ts", [t.reference, "60"]);

  assertMatch(stdout, /^\w+: (\d+) of \1 bytes$/m, stderr);
  assertStringIncludes(stdout, digest);
});

Deno.test("progress.ts stops a pull that takes too long", async () => {
  await using t = await lab();

  const { code, stdout, stderr } = await t.example("progress.ts", [t.reference, "0"]);

  // Whether the pull begins before the time is up depends on the machine.
  assertEquals(code, 1, stderr);
  assertMatch(stdout, /^(?:resolve: 0 of 0 bytes\n)?stopped after 0 s\n$/);
});

Deno.test("hash_cache.ts sends one request to the registry", async () => {
  const manifests: string[] = [];
  await using t = await lab({
    onRequest: ({ path }) => {
      if (path.endsWith("/manifests/v1")) manifests.push(path);
    },
  });

  const { stdout, stderr } = await t.example("hash_cache.ts", [t.reference]);

  assertEquals(stdout, `first ${digest}\nsecond ${digest}\n`, stderr);
  assertEquals(manifests.length, 1);
});

Deno.test("unpack_path.ts unpacks one path", async () => {
  await using t = await lab();
  const directory = t.home.join("unpacked");

  const { code, stderr } = await t.example("unpack_path.ts", [t.reference, "etc", directory]);

  assertEquals(code, 0, stderr);
  assertEquals((await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name), ["etc"]);
  assertEquals(await Deno.readTextFile(join(directory, "etc/os-release")), "NAME=test\n");
});

Deno.test("serve_store.ts serves the image that it pulled", async () => {
  await using t = await lab();

  const { code, stdout, stderr } = await t.example("serve_store.ts", [t.reference]);

  assertEquals(code, 0, stderr);
  const [pulled, ...repositories] = stdout.trim().split("\n");
  assertEquals(pulled, `${t.reference} ${digest}`);
  assertEquals(repositories.length, 1);
});

Deno.test("private_registry.ts pulls with a password, and reports a wrong one", async () => {
  const authenticate = basicAuthentication((user, password) => user === "me" && password === "yes");
  await using t = await lab({ authenticate });
  const as = (password: string) =>
    t.example("private_registry.ts", [t.reference], {
      REGISTRY_USER: "me",
      REGISTRY_PASSWORD: password,
    });

  // Once the image is in the store, the registry is not asked again.
  const wrong = await as("no");
  const right = await as("yes");

  assertEquals([right.code, right.stdout], [0, `${digest}\n`], right.stderr);
  assertEquals([wrong.code, wrong.stdout], [1, "refused with status 401\n"], wrong.stderr);
});

Deno.test("list_layer.ts lists the entries of the layers", async () => {
  await using t = await lab();

  const { stdout, stderr } = await t.example("list_layer.ts", [t.reference]);

  assertStringIncludes(stdout, "file 10 etc/os-release\nfile 3 bin/app\n", stderr);
});

posixTest("run_bundle.ts prints the output of the container", async () => {
  await using t = await lab();
  const runtime = t.home.join("crun");
  // Prints a file of the bundle in place of a container that does.
  const script = `#!/bin/sh
while [ $# -gt 0 ]; do
  if [ "$1" = --bundle ]; then exec cat "$2/rootfs/etc/os-release"; fi
  shift
done
`;
  await Deno.writeTextFile(runtime, script, { mode: 0o755 });
  const PATH = `${t.home.path}:${Deno.env.get("PATH")}`;

  const { stdout, stderr } = await t.example("run_bundle.ts", [t.reference, "cat"], { PATH });

  assertEquals(stdout, "exit code 0: NAME=test\n\n", stderr);
});
