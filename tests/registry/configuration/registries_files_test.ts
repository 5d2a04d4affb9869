import { assertEquals, assertRejects } from "@std/assert";
import { dirname } from "@std/path";
import { hasRegistriesConf } from "../../../registry/configuration/registries_files.ts";
import { readRegistriesConf, RegistriesConfError } from "../../../registry/mod.ts";
import { ROOT, run } from "../../_support/process.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

const OWN = "home/.config/containers";

/** Writes files that each have a rule for a host and an alias `a`. */
async function write(dir: TempDir, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, host] of Object.entries(files)) {
    await Deno.mkdir(dirname(dir.join(path)), { recursive: true });
    await Deno.writeTextFile(
      dir.join(path),
      `[[registry]]\nlocation = "${host}"\n[aliases]\na = "${host}/a"\n`,
    );
  }
}

/** Reads the files in a directory that stands for the root. */
async function read(dir: TempDir, variables: Readonly<Record<string, string>> = {}) {
  const warnings: string[] = [];
  const env: Readonly<Record<string, string>> = { HOME: dir.join("home"), ...variables };
  const options = {
    env: (name: string) => env[name],
    directories: [dir.join("etc"), dir.join("usr")],
    hostsDirectories: [],
    daemonFiles: [],
    onWarning: (message: string) => warnings.push(message),
  };
  const { files, rules, aliases } = await readRegistriesConf(options);
  return {
    files: files.map((path) => path.slice(dir.path.length + 1)),
    hosts: rules.map(({ prefix }) => prefix),
    alias: aliases.get("a"),
    warnings,
    has: hasRegistriesConf(options),
  };
}

Deno.test("readRegistriesConf() finds nothing where there is no file", async () => {
  await using dir = await makeTempDir();

  assertEquals(await read(dir), {
    files: [],
    hosts: [],
    alias: undefined,
    warnings: [],
    has: false,
  });
});

Deno.test("readRegistriesConf() uses USERPROFILE without HOME, as on Windows", async () => {
  await using dir = await makeTempDir();
  await write(dir, { "user/.config/containers/registries.conf": "own.io" });

  const { hosts, has } = await read(dir, { HOME: "", USERPROFILE: dir.join("user") });

  assertEquals([hosts, has], [["own.io"], true]);
});

Deno.test("readRegistriesConf() reads the main file of the machine and all drop-in files", async () => {
  await using dir = await makeTempDir();
  await write(dir, {
    "usr/registries.conf": "usr.io",
    "usr/registries.conf.d/z.conf": "usr-z.io",
    "etc/registries.conf": "etc.io",
    "etc/registries.conf.d/20.conf": "etc-20.io",
    "etc/registries.conf.d/10.conf": "etc-10.io",
    "etc/registries.conf.d/10.conf.bak": "bak.io",
    "etc/registries.conf.d/sub.conf/x.conf": "sub.io",
    [`${OWN}/registries.conf.d/1.conf`]: "own-1.io",
  });

  assertEquals(await read(dir), {
    files: [
      "etc/registries.conf",
      "usr/registries.conf.d/z.conf",
      "etc/registries.conf.d/10.conf",
      "etc/registries.conf.d/20.conf",
      `${OWN}/registries.conf.d/1.conf`,
    ],
    hosts: ["etc.io", "usr-z.io", "etc-10.io", "etc-20.io", "own-1.io"],
    alias: "own-1.io/a",
    warnings: [],
    has: true,
  });
});

Deno.test("readRegistriesConf() prefers the files of the user to those of the machine", async () => {
  await using dir = await makeTempDir();
  await write(dir, {
    "etc/registries.conf": "etc.io",
    "etc/registries.conf.d/10.conf": "etc-10.io",
    [`${OWN}/registries.conf`]: "own.io",
    [`${OWN}/registries.conf.d/1.conf`]: "own-1.io",
  });

  assertEquals((await read(dir)).files, [
    `${OWN}/registries.conf`,
    `${OWN}/registries.conf.d/1.conf`,
  ]);
});

Deno.test("readRegistriesConf() reads the vendor's main file only if there is no other", async () => {
  await using dir = await makeTempDir();
  await write(dir, { "usr/registries.conf": "usr.io" });

  assertEquals((await read(dir)).files, ["usr/registries.conf"]);
});

Deno.test("readRegistriesConf() reads only the file that the variable names", async () => {
  await using dir = await makeTempDir();
  await write(dir, {
    "my.conf": "my.io",
    "etc/registries.conf": "etc.io",
    "etc/registries.conf.d/10.conf": "etc-10.io",
    [`${OWN}/registries.conf`]: "own.io",
  });

  const named = await read(dir, { CONTAINERS_REGISTRIES_CONF: dir.join("my.conf") });
  const none = await read(dir, { CONTAINERS_REGISTRIES_CONF: "/dev/null" });
  const empty = await read(dir, { CONTAINERS_REGISTRIES_CONF: "" });

  assertEquals([named.files, named.hosts], [["my.conf"], ["my.io"]]);
  assertEquals([none.files, none.has], [[], false]);
  assertEquals(empty.files, [`${OWN}/registries.conf`]);
});

Deno.test("readRegistriesConf() refuses a variable that names no file", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("absent.conf");

  await assertRejects(
    () => read(dir, { CONTAINERS_REGISTRIES_CONF: path }),
    RegistriesConfError,
    `Cannot use "${path}": it does not exist. Create the file, or unset CONTAINERS_REGISTRIES_CONF`,
  );
});

Deno.test("readRegistriesConf() names the damaged file and the line", async () => {
  await using dir = await makeTempDir();
  await write(dir, { "etc/registries.conf": "etc.io" });
  await Deno.mkdir(dir.join("etc/registries.conf.d"));
  const path = dir.join("etc/registries.conf.d/x.conf");
  await Deno.writeTextFile(path, '\n[[registry]]\nlocation = "a.io\n');

  const error = await assertRejects(() => read(dir), RegistriesConfError, "has no end");

  assertEquals([error.path, error.line], [path, 3]);
});

Deno.test("readRegistriesConf() warns about unreadable files, and reads the rest", async () => {
  await using dir = await makeTempDir();
  await write(dir, { "etc/registries.conf.d/x.conf": "x.io" });
  await Deno.mkdir(dir.join("etc/registries.conf"));

  const { files, warnings } = await read(dir);

  assertEquals(files, ["etc/registries.conf.d/x.conf"]);
  assertEquals(warnings, [
    `Cannot read "${dir.join("etc/registries.conf")}": it is not a regular file. ` +
    "The file is not used",
  ]);
});

linuxTest("readRegistriesConf() requests no permission", async () => {
  await using dir = await makeTempDir();
  await write(dir, { "home/.config/containers/registries.conf": "own.io" });
  const url = new URL("../../../registry/configuration/registries_files.ts", import.meta.url);
  const script = dir.join("script.ts");
  await Deno.writeTextFile(
    script,
    `import { readRegistriesConf } from "${url}";
    const { files, notGranted } = await readRegistriesConf();
    console.log(JSON.stringify({ files, notGranted }));`,
  );
  const start = async (...flags: readonly string[]) => {
    const args = ["run", `--allow-import`, `--config=${ROOT}/deno.json`, ...flags, script];
    const { stdout, stderr } = await run(Deno.execPath(), args, {
      env: { HOME: dir.join("home"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    });
    assertEquals(stdout.trim() === "", false, stderr);
    return JSON.parse(stdout);
  };

  const modules = `--allow-read=${ROOT}`;
  const none = await start(modules);
  const some = await start(`${modules},${dir.join("home")}`, "--allow-env=HOME");

  assertEquals(none.files, []);
  assertEquals(none.notGranted.includes("/etc/containers/registries.conf"), true);
  assertEquals(some, {
    files: [dir.join("home/.config/containers/registries.conf")],
    notGranted: ["/etc/containerd/certs.d", "/etc/docker/certs.d", "/etc/docker/daemon.json"],
  });
});
