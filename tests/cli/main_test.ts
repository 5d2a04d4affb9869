import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { COMMANDS } from "../../cli/commands.ts";
import { ociSession } from "../_support/oci_session.ts";
import { denoEnvironment, ROOT, run, runOci } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";

const session = ociSession();

Deno.test("main() lists every command in the help of the program", async () => {
  const { code, stdout, stderr } = await runOci(["--help"]);

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const listed = /\nCommands:\n((?: {2}.*\n)+)/.exec(stdout)?.[1] ?? "";
  assertEquals(listed.trimEnd().split("\n").map((line) => line.trim().split(/ +/)[0]), [
    ...COMMANDS.keys(),
  ]);
});

Deno.test("main() shows the help of a command without any permission", async () => {
  const { code, stdout, stderr } = await runOci(["run", "--help"], { permissions: [] });

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assert(stdout.startsWith("Usage: oci run [options]"), stdout);
});

Deno.test("main() loads every command without any permission", async () => {
  const { code, stderr } = await runOci(["completions", "bash"], { permissions: [] });

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test.each([
  { args: ["help", "version"], start: "Usage: oci version" },
  { args: ["version", "-h"], start: "Usage: oci version" },
  { args: ["--help", "version"], start: "Usage: oci version" },
  { args: ["help"], start: "Usage: oci <command>" },
  { args: ["help", "help"], start: "Usage: oci <command>" },
  { args: ["-h"], start: "Usage: oci <command>" },
])("main() shows help for $args", async ({ args, start }) => {
  const { code, stdout, stderr } = await runOci(args);

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assert(stdout.startsWith(start), stdout);
});

Deno.test("main() explains references and exit codes in its help", async () => {
  const { stdout } = await runOci(["--help"]);

  for (const text of ["[docker://]NAME[:TAG][@DIGEST]", "oci:DIR[:NAME]", "130 int", "143 term"]) {
    assertStringIncludes(stdout, text);
  }
});

Deno.test("main() without a command prints help to stderr, and is misuse", async () => {
  const { code, stdout, stderr } = await runOci([]);

  assertEquals({ code, stdout }, { code: 2, stdout: "" });
  assert(stderr.startsWith("Usage: oci <command>"), stderr);
});

Deno.test.each([
  { args: ["version"] },
  { args: ["--version"] },
  { args: ["version", "--quiet", "--verbose", "--debug"] },
])("main() prints the versions for $args", async ({ args }) => {
  const { code, stdout, stderr } = await runOci(args, { permissions: [] });

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout, /^oci \d+\.\d+\.\d+\ndeno \d+\.\d+\.\d+\n$/);
});

Deno.test.each([
  { args: ["version", "--json"] },
  { args: ["--json", "version"] },
  { args: ["--version", "--json"] },
])("main() prints one JSON document for $args", async ({ args }) => {
  const { code, stdout } = await runOci(args);

  const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  assertEquals({ code, document: JSON.parse(stdout) }, {
    code: 0,
    document: { oci: version, deno: Deno.version.deno },
  });
});

const MISUSE = [
  {
    args: ["untar", "a"],
    line: 'oci: read the command line: unknown command "untar". Use "oci unpack"',
  },
  {
    args: ["pul", "a"],
    line: 'oci: read the command line: unknown command "pul". Did you mean pull?',
  },
  {
    args: ["help", "nothing-like-it"],
    line: 'oci: read the command line: unknown command "nothing-like-it". See "oci --help"',
  },
  {
    args: ["hepl", "pull"],
    line: 'oci: read the command line: unknown command "hepl". Did you mean help?',
  },
  {
    args: ["--versoin"],
    line: 'oci: read the command line: unknown option "--versoin". Did you mean --version?',
  },
  {
    args: ["--", "pull"],
    line: "oci: read the command line: too many arguments: expected 0 arguments but got 1. " +
      'See "oci --help"',
  },
  {
    args: ["--store"],
    line: 'oci: read the command line: --store has no value. Write "--store <dir>"',
  },
  {
    args: ["--nope"],
    line: 'oci: read the command line: unknown option "--nope". See "oci --help"',
  },
  {
    args: ["-n", "k8s.io", "images"],
    line: 'oci: read the command line: unknown option "-n". See "oci --help"',
  },
  {
    args: ["tag", "ls", "localhost/app"],
    line: 'oci: tag ls localhost/app: "localhost/app" is not a tag. Use "oci tags localhost/app"',
  },
  {
    args: ["pull", "-o", "dir", "localhost/app"],
    line: 'oci: pull: unknown option "-o". Write an archive or a layout with "oci copy"',
  },
  {
    args: ["pull", "--plattform", "linux/arm64", "a"],
    line: 'oci: pull: unknown option "--plattform". Did you mean --platform?',
  },
  {
    args: ["pull"],
    line: 'oci: pull: <ref> is missing. Write "oci pull <ref...>"',
  },
  {
    args: ["load"],
    line: 'oci: load: <file> is missing. Give the file as an argument, or "-" for stdin',
  },
  {
    args: ["export", "a", "a.tar"],
    line: "oci: export: too many arguments: expected 1 argument but got 2. " +
      'Use "--output FILE" for a file',
  },
  {
    args: ["cp", "app:/etc/passwd", "."],
    line: 'oci: read the command line: unknown command "cp". ' +
      'Use "oci copy" for an image, or "oci cat" for a file of one',
  },
  {
    args: ["version", "a"],
    line: "oci: version: too many arguments: expected 0 arguments but got 1. " +
      'See "oci version --help"',
  },
  {
    args: ["pull", "--jobs", "0", "a"],
    line: 'oci: pull: --jobs "0" is invalid: ' +
      'it must be a whole number from 1 to 1000. See "oci pull --help"',
  },
  {
    args: ["pull", "--platform", "linux", "a"],
    line: 'oci: pull: --platform "linux" is invalid: ' +
      'it must be "OS/ARCH[/VARIANT]" or "OS(OSVERSION)/ARCH", such as "linux/arm64" or ' +
      '"windows(10.0.20348)/amd64". See "oci pull --help"',
  },
  {
    args: ["pull", "--policy", "sometimes", "a"],
    line: 'oci: pull: --policy "sometimes" is invalid: ' +
      'it must be always, if-not-present, never or newer. See "oci pull --help"',
  },
  {
    args: ["pull", "--progress", "dots", "a"],
    line: 'oci: pull: --progress "dots" is invalid: ' +
      'it must be auto, plain, json or none. See "oci pull --help"',
  },
  {
    args: ["pull", "--mirror", "docker.io", "a"],
    line: 'oci: pull: --mirror "docker.io" is invalid: ' +
      'it must be HOST=URL, such as docker.io=https://mirror.example. See "oci pull --help"',
  },
  {
    args: ["pull", "--retries"],
    line: 'oci: pull: --retries has no value. Write "--retries <n>"',
  },
  {
    args: ["permissions", "pul"],
    line: 'oci: permissions: unknown command "pul". Did you mean pull?',
  },
  {
    args: ["bundle", "--cpu", "much", "a", "b"],
    line: 'oci: bundle: --cpu "much" is invalid: ' +
      "it must be a quantity as in Kubernetes, " +
      'such as "500m", "1.5", "2Gi" or "1e3". See "oci bundle --help"',
  },
  {
    args: ["run", "--read-only", "--read-write", "a"],
    line: "oci: run: --read-only and --read-write cannot be combined. Leave out one of them",
  },
  {
    args: ["pull", "Alpine"],
    line: 'oci: pull Alpine: cannot parse reference "Alpine": the repository must be lower case. ' +
      'Did you mean "alpine"?',
  },
  {
    args: ["digest", "oci:dir"],
    line: 'oci: digest oci:dir: cannot use "oci:dir" here: it is not in a registry. ' +
      'See it with "oci inspect"; if it is the name of an image, write "docker://oci:dir"',
  },
  {
    args: ["pull", "--all-platforms", "--platform", "linux/amd64", "a"],
    line: "oci: pull: --all-platforms and --platform cannot be combined. Leave out one of them",
  },
  {
    args: ["pull", "--user", "a", "--registry-token", "b", "c"],
    line: "oci: pull c: only one way to log in is allowed. " +
      'Choose "--user", "--identity-token" or "--registry-token"',
  },
  {
    args: ["pull", "--client-cert", "none.pem", "--client-key", "none.pem", "c"],
    line: 'oci: pull c: cannot read --client-cert "none.pem": it does not exist. Check the path',
  },
  {
    args: ["pull", "--ca", "none.pem", "c"],
    line: 'oci: pull c: cannot read --ca "none.pem": it does not exist. Check the path',
  },
  {
    args: ["serve", "--tls-cert", "none.pem", "--tls-key", "none.pem"],
    line: 'oci: serve: cannot read --tls-cert "none.pem": it does not exist. Check the path',
  },
  {
    args: ["pull", "--password-stdin", "c"],
    line: 'oci: pull c: the user name is missing. Add "--user NAME"',
  },
  {
    args: ["tags", "--policy=never", "a"],
    line: 'oci: tags: unknown option "--policy". See "oci tags --help"',
  },
  {
    args: ["ps"],
    line:
      'oci: read the command line: unknown command "ps". There is no daemon; a container lives ' +
      'as long as its "oci run"',
  },
  {
    args: ["copy", "--src-creds=a:b", "x", "y"],
    line: 'oci: copy: unknown option "--src-creds". Use "--user NAME[:PASSWORD]"',
  },
  {
    args: ["run", "--creds=a:b", "x"],
    line: 'oci: run: unknown option "--creds". Use "--registry-user NAME[:PASSWORD]"',
  },
  {
    args: ["run", "-itp", "80:80", "a"],
    line: 'oci: run: unknown option "-p". There is no daemon that maps ports; use "--network host"',
  },
  {
    args: ["run", "--network=bridge", "a"],
    line: 'oci: run: --network "bridge" is invalid: there is no daemon that ' +
      'connects containers: use host or none. See "oci run --help"',
  },
  {
    args: ["run", "-v", "/etc:/a/b", "--mount=type=tmpfs,target=/a//b/", "c"],
    line: 'oci: run: --mount has two different values for "/a/b". Leave out one of them',
  },
  {
    args: ["unpack", "--limit=maxRatio=10", "--limit", "maxRatio=20", "a", "b"],
    line: 'oci: unpack: --limit has two different values for "maxRatio". Leave out one of them',
  },
  {
    args: ["artifact", "push", "a", "b", "--annotation=c=d", "--annotation=c=e"],
    line: 'oci: artifact: --annotation has two different values for "c". Leave out one of them',
  },
  {
    args: ["run", "-m", "64m", "a"],
    line: 'oci: run: -m "64m" is invalid: write it as in Kubernetes: 64Mi. See "oci run --help"',
  },
  {
    args: ["run", "--memory=1.5gb", "a"],
    line: 'oci: run: --memory "1.5gb" is invalid: write it as in Kubernetes: 1.5Gi. ' +
      'See "oci run --help"',
  },
  {
    args: ["run", "--name", "a/b", "c"],
    line: 'oci: run: --name "a/b" is invalid: it must have 1 to 128 letters, ' +
      'digits, "_", "." and "-", and begin with a letter or a digit. See "oci run --help"',
  },
  {
    args: ["sh", "alpine:3.20"],
    line: 'oci: read the command line: unknown command "sh". Use "oci run -it REF sh"',
  },
  { args: ["load", ""], line: "oci: load: the file name is empty. Specify a file" },
  {
    args: ["push", "", "localhost:1/a"],
    line: 'oci: push: cannot parse reference "": it is empty. Write a name such as "alpine:3.20"',
  },
  { args: ["cat", "a", ""], line: "oci: cat a: the path is empty. Specify a path" },
  { args: ["ls", "a", ""], line: "oci: ls a: the path is empty. Specify a path or leave it out" },
  {
    args: ["unbundle", ""],
    line: "oci: unbundle: the directory name is empty. Specify a directory",
  },
  { args: ["run", "-iz", "a"], line: 'oci: run: unknown option "-z". See "oci run --help"' },
  {
    args: ["pull", "./layout"],
    line: 'oci: pull ./layout: cannot parse reference "./layout": the host "." must be a name or ' +
      'an address, with an optional port. Write "oci:./layout" for a layout on disk',
  },
  {
    args: ["pull", "C:\\layout"],
    line:
      'oci: pull C:\\layout: cannot parse reference "C:\\layout": the tag "\\layout" must be 1 to 128 ' +
      'letters, digits, "_", "." and "-", and must not start with "." or "-". ' +
      'Write "oci:C:\\layout" for a layout on disk',
  },
  {
    args: ["serve", "--tls-cert", "c"],
    line: 'oci: serve: "--tls-cert" and "--tls-key" must be used together. Add the missing one',
  },
  {
    args: ["serve", "--listen", "5000"],
    line: 'oci: serve: --listen "5000" is invalid: ' +
      'it must be HOST:PORT, such as 127.0.0.1:5000 or [::1]:5000. See "oci serve --help"',
  },
];

Deno.test.each(MISUSE)("main() reports $args as misuse, with a remedy", async ({ args, line }) => {
  const { code, stdout, stderr } = await session(args);

  assertEquals({ code, stdout, stderr }, { code: 2, stdout: "", stderr: `${line}\n` });
});

Deno.test("main() also prints an error as JSON with --json", async () => {
  const { code, stdout, stderr } = await runOci(["pull", "--json", "--jobs", "x", "a"]);

  assertEquals(code, 2);
  assertEquals(stderr.trimEnd().split("\n").length, 1);
  const { error } = JSON.parse(stdout);
  assertEquals(error.name, "UsageError");
  assertStringIncludes(error.message, "--jobs");
});

Deno.test.each([
  { args: ["run", "localhost:1/a", "--policy", "never", "--", "--json"], code: 1 },
  { args: ["--", "--json"], code: 2 },
])('main() leaves options after "--" alone, as in $args', async ({ args, code }) => {
  const result = await runOci(args);

  assertEquals([result.code, result.stdout], [code, ""], result.stderr);
});

Deno.test("main() prints JSON for a command line that has nothing but --json", async () => {
  const { code, stdout, stderr } = await runOci(["--json"]);

  assertEquals({ code, name: JSON.parse(stdout).error.name }, { code: 2, name: "UsageError" });
  assertEquals(stderr, 'oci: read the command line: the command is missing. See "oci --help"\n');
});

Deno.test.each([
  { args: ["--help"], doing: "help" },
  { args: ["pull", "--help"], doing: "help" },
  { args: ["version"], doing: "version" },
  { args: ["version", "--json"], doing: "version" },
  { args: ["images", "--json"], doing: "images" },
])("main() reports in one line that the output is full for $args", async ({ args, doing }) => {
  await using dir = await makeTempDir();
  const oci = ["deno", "run", "-A", "--quiet", join(ROOT, "mod.ts"), ...args];

  const { code, stderr } = await run("sh", ["-c", '"$@" > /dev/full', "sh", ...oci], {
    env: { ...await denoEnvironment(), OCI_STORE: dir.path },
    cwd: ROOT,
  });

  assertEquals(code, 1);
  assertMatch(stderr, new RegExp(`^oci: ${doing}: cannot write to standard output: .*\n$`));
});

Deno.test("main() is quiet if the reader of its output has gone", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", join(ROOT, "mod.ts"), "--help"],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await child.stdout.cancel();
  const stderr = await new Response(child.stderr).text();

  assertEquals({ stderr, code: (await child.status).code }, { stderr: "", code: 0 });
});
