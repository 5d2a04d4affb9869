import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { existsSync } from "@std/fs";
import { rootTest } from "../../../_support/skip.ts";
import { idsTest, makePlace, mountsIn, runOci } from "./_place.ts";

idsTest.each([
  { args: ["--user", "nobody-here"], says: 'cannot find user "nobody-here"' },
  { args: ["--user", "2147483648"], says: "IDs must be from 0 to 2147483647" },
])("oci bundle $args explains the problem, and leaves nothing behind", async ({ args, says }) => {
  await assertRefused(args, says);
});

const MISUSE = [
  { args: ["--cpu", "many"], says: '--cpu "many" is invalid: it must be a quantity' },
  { args: ["--memory", "1Xi"], says: '--memory "1Xi" is invalid: it must be a quantity' },
  { args: ["--user", ""], says: "it must not be empty" },
  { args: ["--user", ":"], says: "it must be USER or USER:GROUP" },
  { args: ["--user", "a:b:c"], says: "it must be USER or USER:GROUP" },
  { args: ["--memory", "512m"], says: "write it as in Kubernetes: 512Mi" },
  { args: ["--mount", "/etc:/"], says: "its target must be below the root" },
  { args: ["--cwd", "here"], says: "it must be an absolute path" },
  { args: ["--env", "=x"], says: "it must be NAME=VALUE" },
  { args: ["--mount", "./a:b"], says: "its target must be an absolute path" },
  { args: ["--mount", "/"], says: "its target must be below the root" },
  { args: ["--mount", "type=volume,target=/a,ro"], says: "cannot be read-only" },
  { args: ["--mount", "type=volume,src=x,target=/a"], says: 'write "./x" for a directory here' },
  { args: ["--mount", "data:/a"], says: 'write "./data" for a directory here' },
  { args: ["--mount", "/not/here:/a"], says: 'cannot mount "/not/here"' },
  { args: ["--read-only", "--read-write"], says: "cannot be combined" },
  { args: ["--uid-map", "0:100000"], says: "it must be CONTAINER:HOST:COUNT" },
  { args: ["--gid-map", "0:0:0"], says: "it must be CONTAINER:HOST:COUNT" },
  { args: ["--uidmap", "0:100000:65536"], says: 'Use "--uid-map C:H:N"' },
  { args: ["--userns", "auto"], says: '"--uid-map C:H:N" as root' },
  { args: ["--slow-chown"], says: '"--slow-chown" requires "--uid-map" or "--gid-map"' },
  { args: ["--bundler", "magic"], says: "it must be auto, overlay or uncompressed" },
];

Deno.test.each(MISUSE)("oci bundle reports $args as misuse", async ({ args, says }) => {
  await assertRefused(args, says, 2);
});

rootTest.each([
  {
    maps: ["--uid-map", "0:100000:10", "--uid-map", "5:1:1"],
    says: "do not overlap. Check the ranges of --uid-map",
  },
  {
    maps: ["--uid-map", "0:1:1", "--gid-map", "1:1:1"],
    says: "no range contains group 0, which a container needs. Add one with --gid-map",
  },
  {
    maps: ["--gid-map", "0:100000:65536"],
    says: "user 100000 of the host, may not enter",
  },
])("oci bundle $maps fails before it fetches the image", async ({ maps, says }) => {
  await using place = await makePlace();

  const { code, stderr } = await place.oci(
    ...["bundle", "-q", "--bundler=uncompressed", ...maps, place.image],
    place.directory.join("box"),
  );

  assertEquals(code, 1);
  assertStringIncludes(stderr, says);
  assertEquals(existsSync(place.directory.join("store", "blobs", "sha256")), false);
});

/** Checks that a bundle is refused with one line, and leaves nothing behind. */
async function assertRefused(args: readonly string[], says: string, code = 1): Promise<void> {
  await using place = await makePlace();
  const path = place.directory.join("box");

  const result = await place.oci("bundle", "--quiet", ...args, place.image, path);

  assertEquals([result.code, result.stdout], [code, ""], result.stderr);
  assertStringIncludes(result.stderr, says);
  const lines = result.stderr.trim().split("\n");
  // Without overlay support, it warns that the layers are extracted.
  assertEquals(lines.filter((line) => !line.startsWith("oci: warning: ")).length, 1, result.stderr);
  assertEquals(mountsIn(place), []);
  assertEquals(await Deno.stat(path).catch((error) => error.name), "NotFound");
}

for (const bundler of ["auto", "uncompressed"]) {
  for (
    const { user, says } of [
      { user: "nobody", says: 'user "nobody"' },
      { user: "app:wheel", says: 'group "wheel"' },
    ]
  ) {
    Deno.test(`oci bundle --user ${user} fails before it extracts, --bundler ${bundler}`, async () => {
      await using place = await makePlace();
      const path = place.directory.join("box");

      const { code, stdout, stderr } = await place.oci(
        ...["bundle", "-q", "--bundler", bundler, "--user", user, place.image, path],
      );

      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(stderr, says);
      const made = [
        path,
        ...["chains", "tarballs"].map((name) => place.directory.join("store", name)),
      ];
      assertEquals(made.filter((path) => existsSync(path)), []);
    });
  }
}

Deno.test("oci bundle fails if there is no command to run", async () => {
  await using place = await makePlace();

  const { code, stderr } = await place.oci(
    ...["bundle", "--quiet", place.empty, place.directory.join("box")],
  );

  assertEquals(code, 1);
  assertStringIncludes(stderr, "there is no command to run. Specify the command with --arg");
});

Deno.test("oci bundle leaves a directory with content unchanged", async () => {
  await using place = await makePlace();
  const path = place.directory.join("mine");
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/file`, "mine");

  const bundled = await place.oci("bundle", "--quiet", place.image, path);
  const unbundled = await place.oci("unbundle", path);

  assertEquals([bundled.code, unbundled.code], [1, 1]);
  assertStringIncludes(bundled.stderr, "it is not empty. Choose an empty or new directory");
  assertStringIncludes(
    unbundled.stderr,
    "the store has no record of such a bundle. Check the path, or specify its store with --store",
  );
  assertEquals(await Deno.readTextFile(`${path}/file`), "mine");
  // It is refused before the image is fetched.
  assertEquals(existsSync(`${place.env.OCI_STORE}/blobs/sha256`), false);
});

Deno.test("oci bundle rejects an empty directory name", async () => {
  await using place = await makePlace();

  const { code, stderr } = await place.oci("bundle", "--quiet", place.image, "");

  assertEquals(code, 2);
  assertStringIncludes(stderr, "the directory name is empty. Specify a directory");
});

Deno.test("oci unbundle fails if the directory does not exist", async () => {
  await using place = await makePlace();

  const { code, stderr } = await place.oci("unbundle", place.directory.join("none"));

  assertEquals(code, 1);
  assertMatch(stderr, /".*none" does not exist\. Check the path\n$/);
});

Deno.test("oci run fails before it fetches an image if the runtime is not installed", async () => {
  await using place = await makePlace();

  const args = ["run", "--quiet", "--runtime", "norunc", place.image, "login", "--token=secret"];
  const { code, stderr } = await place.oci(...args);

  assertEquals(code, 1);
  assertEquals(stderr.includes("secret"), false, stderr);
  assertStringIncludes(stderr, "norunc is not installed. Install it, or choose another of crun");
  assertEquals(existsSync(place.directory.join("store/containers")), false);
});

Deno.test("oci run fails if the runtime cannot be executed, or lacks the permission", async () => {
  await using place = await makePlace();
  const { path } = place.directory;
  await Deno.writeTextFile(`${path}/crun`, "#!/no/such/program\n", { mode: 0o755 });
  const args = ["run", "--quiet", "--runtime", `${path}/crun`, place.image];
  const granted = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys"];
  const env = { OCI_STORE: `${path}/store` };

  const odd = await place.oci(...args);
  const denied = await runOci(args, { env, permissions: granted });

  assertEquals([odd.code, denied.code], [1, 1]);
  assertMatch(odd.stderr, /cannot run .*crun: .*\. Check that it is a program for this machine\n$/);
  assertMatch(denied.stderr, /Requires run access to [^,]*\. Grant --allow-run=.*crun\n$/);
});
