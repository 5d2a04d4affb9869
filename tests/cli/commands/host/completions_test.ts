import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { COMMANDS } from "../../../../cli/commands.ts";
import { SCRIPTS } from "../../../../cli/frame/completion_scripts.ts";
import { ContentStore } from "../../../../store/mod.ts";
import { buildImage } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { peerTest, programPath } from "../../../_support/peers.ts";
import { denoEnvironment, ROOT, run } from "../../../_support/process.ts";
import { makeTempDir, type TempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

for (const shell of SCRIPTS.keys()) {
  Deno.test(`oci completions prints a script for ${shell} with every command`, async () => {
    const { code, stdout, stderr } = await runOci(["completions", shell], { permissions: [] });

    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    for (const name of COMMANDS.keys()) assertStringIncludes(stdout, name);
    assertStringIncludes(stdout, "platform");
  });

  peerTest({
    name: `oci completions prints a script that ${shell} can parse`,
    needs: [shell],
  }, async () => {
    const { stdout } = await runOci(["completions", shell]);

    const { code, stderr } = await run(programPath(shell) ?? shell, ["-n"], { stdin: stdout });

    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  });
}

/** A directory with a store of three names, and with `oci` as a program. */
async function makePlace(): Promise<TempDir> {
  const dir = await makeTempDir();
  const store = await ContentStore.open(dir.join("store"));
  const { descriptor, bytes } = buildImage({ layers: [] });
  await store.putBytes(descriptor, bytes);
  for (const name of ["docker.io/library/alpine:3", "docker.io/team/app:1", "ghcr.io/a/b:2"]) {
    await store.tag(name, descriptor);
  }
  await Deno.mkdir(dir.join("bin"));
  await Deno.mkdir(dir.join("sub"));
  const main = join(ROOT, "mod.ts");
  const program = `#!/bin/sh\nexec "${Deno.execPath()}" run -A --quiet "${main}" "$@"\n`;
  await Deno.writeTextFile(dir.join("bin", "oci"), program, { mode: 0o755 });
  await Deno.writeTextFile(dir.join("file.tar"), "");
  return dir;
}

/** A command line, and the words that complete it. */
interface Case {
  readonly line: string;
  readonly words: readonly string[];
}

const CASES: readonly Case[] = [
  { line: "i", words: ["images", "inspect"] },
  { line: "he", words: ["help"] },
  { line: "pull --pl", words: ["--plain-http", "--platform"] },
  { line: "pull --policy n", words: ["never", "newer"] },
  { line: "pull --platform linux/a", words: ["linux/amd64", "linux/arm/v7", "linux/arm64"] },
  { line: "bundle --network h", words: ["host"] },
  { line: "run --runtime cr", words: ["crun"] },
  { line: "save --format d", words: ["docker-archive"] },
  { line: "sbom --type sp", words: ["spdx"] },
  { line: "unpack --limit maxN", words: ["maxNameBytes="] },
  { line: "permissions pu", words: ["pull", "push"] },
  { line: "completions f", words: ["fish"] },
  { line: "artifact pul", words: ["pull"] },
  { line: "inspect al", words: ["alpine:3"] },
  { line: "run -e A=b gh", words: ["ghcr.io/a/b:2"] },
  { line: "cat docker.io/", words: ["docker.io/library/alpine:3", "docker.io/team/app:1"] },
  { line: "inspect --store /nowhere al", words: [] },
  { line: "-q --json pu", words: ["pull", "push"] },
  { line: "-q pull --policy n", words: ["never", "newer"] },
  { line: "--store /nowhere inspect al", words: [] },
  { line: "--store=/nowhere inspect al", words: [] },
  { line: "--store store inspect al", words: ["alpine:3"] },
  { line: "--store /nowhere pu", words: ["pull", "push"] },
  { line: "--platform linux/arm64 pull --policy n", words: ["never", "newer"] },
  { line: "--st", words: ["--store"] },
  { line: "-q --vers", words: ["--version"] },
  // "pull" is an argument here.
  { line: "artifact pull --unp", words: [] },
];

/** Fish adds a slash to directories. */
const BASH_CASES: readonly Case[] = [
  { line: "--store su", words: ["sub"] },
  { line: "pull --store su", words: ["sub"] },
  { line: "--store=su", words: ["sub"] },
];
const FISH_CASES: readonly Case[] = [
  { line: "--store su", words: ["sub/"] },
  { line: "pull --store su", words: ["sub/"] },
];

/** Runs a script that prints a line of words for each case. */
async function complete(
  shell: string,
  cases: readonly Case[],
  toScript: (line: string) => string,
) {
  await using place = await makePlace();
  const { stdout: script } = await runOci(["completions", shell]);
  const lines = cases.map(({ line }) => toScript(line));

  const { stdout, stderr } = await run(programPath(shell) ?? shell, [], {
    stdin: `${script}\n${lines.join("\n")}\n`,
    env: {
      ...await denoEnvironment(),
      PATH: `${place.join("bin")}:${Deno.env.get("PATH")}`,
      OCI_STORE: place.join("store"),
      HOME: place.path,
    },
    cwd: place.path,
  });

  const answers = stdout.split("\n").slice(0, -1).map((line) => line.split(" ").filter(Boolean));
  assertEquals([answers.map((words) => words.sort()), stderr], [
    cases.map(({ words }) => words),
    "",
  ]);
}

peerTest(
  { name: "oci completions completes options, values and names in bash", needs: ["bash"] },
  async () => {
    await complete("bash", [...CASES, ...BASH_CASES], (line) => {
      return `COMP_LINE='oci ${line}'; COMP_POINT=\${#COMP_LINE}; COMP_WORDBREAKS=' '; _oci; ` +
        'echo "${COMPREPLY[*]}"';
    });
  },
);

peerTest(
  { name: "oci completions completes the part after a colon in bash", needs: ["bash"] },
  async () => {
    await using place = await makePlace();
    const { stdout: script } = await runOci(["completions", "bash"]);
    const line = `oci inspect --store=${place.join("store")} alpine:`;

    const { stdout } = await run("bash", [], {
      stdin:
        `${script}\nCOMP_LINE='${line}'; COMP_POINT=${line.length}; _oci; echo "\${COMPREPLY[*]}"\n`,
      env: { ...await denoEnvironment(), PATH: `${place.join("bin")}:${Deno.env.get("PATH")}` },
    });

    assertEquals(stdout, "3\n");
  },
);

peerTest(
  { name: "oci completions completes options, values and names in fish", needs: ["fish"] },
  async () => {
    await complete(
      "fish",
      [...CASES, ...FISH_CASES],
      (line) => `echo (complete -C 'oci ${line}' | cut -f1 | string join ' ')`,
    );
  },
);

// The functions of zsh's completion work in its line editor only, so these stand in for them.
const ZSH_STUBS = `compdef() { :; }; _files() { :; }
_describe() { print -r -- \${(P)2%%:*}; }
compadd() { print -r -- \${(P)2}; }
_arguments() { print -r -- "$@"; }
`;

peerTest({
  name: "oci completions describes options and completes names in zsh",
  needs: ["zsh"],
}, async () => {
  await using place = await makePlace();
  const { stdout: script } = await runOci(["completions", "zsh"]);
  const complete = async (setUp: string): Promise<string> => {
    const { stdout, stderr } = await run("zsh", ["-f"], {
      stdin: `${ZSH_STUBS}${script}\n${setUp}\n`,
      env: {
        ...await denoEnvironment(),
        PATH: `${place.join("bin")}:${Deno.env.get("PATH")}`,
        OCI_STORE: place.join("store"),
      },
    });
    assertEquals(stderr, "");
    return stdout.trim();
  };

  const commands = await complete("words=(oci p); CURRENT=2; _oci");
  const inspect = await complete("words=(oci inspect a); CURRENT=3; _oci");
  const later = await complete("words=(oci -q --store d inspect a); CURRENT=6; _oci");
  const joined = await complete("words=(oci --store=d --platform p inspect a); CURRENT=6; _oci");
  const flags = await complete("words=(oci -q --); CURRENT=3; _oci");
  const value = await complete("words=(oci --store ''); CURRENT=3; _oci");
  const names = await complete("program=oci; typeset -A opt_args; _oci_names");

  assertEquals(commands.split(" ").filter((word) => word.startsWith("pu")), ["pull", "push"]);
  assertEquals([later, joined], [inspect, inspect]);
  assertStringIncludes(flags, "--version[");
  assertEquals(value, flags);
  assertStringIncludes(inspect, "--policy=[pull policy: always".replace(":", "\\:"));
  assertStringIncludes(inspect, ":value:(always if-not-present never newer)");
  assertStringIncludes(inspect, "1:ref:_oci_names");
  assertStringIncludes(inspect, "--store=[");
  assertEquals(names.split(" ").sort(), [
    ...["alpine:3", "docker.io/library/alpine:3", "docker.io/team/app:1", "ghcr.io/a/b:2"],
    "team/app:1",
  ]);
});

Deno.test("oci completions supports three shells", async () => {
  const { code, stderr } = await runOci(["completions", "tcsh"]);

  assertEquals(code, 2);
  assertStringIncludes(stderr, "it must be bash, zsh or fish");
});
