import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../../../cli/commands.ts";
import { SCRIPTS } from "../../../../cli/frame/completion_scripts.ts";
import { peerTest, programPath } from "../../../_support/peers.ts";
import { run, runOci } from "../../../_support/process.ts";

for (const shell of SCRIPTS.keys()) {
  Deno.test(`oci completions prints a script for ${shell} with every command`, async () => {
    const { code, stdout, stderr } = await runOci(["completions", shell], { permissions: [] });

    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    for (const name of COMMANDS.keys()) assertStringIncludes(stdout, name);
    assertStringIncludes(stdout, "platform");
  });

  peerTest({
    name: `oci completions prints what ${shell} can parse`,
    needs: [shell],
  }, async () => {
    const { stdout } = await runOci(["completions", shell]);

    const { code, stderr } = await run(programPath(shell) ?? shell, ["-n"], { stdin: stdout });

    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  });
}

peerTest({
  name: "oci completions completes commands and options in bash",
  needs: ["bash"],
}, async () => {
  const { stdout: script } = await runOci(["completions", "bash"]);
  const complete = async (...words: readonly string[]): Promise<readonly string[]> => {
    const list = words.map((word) => `'${word}'`).join(" ");
    const { stdout } = await run("bash", ["-s"], {
      stdin: `${script}\nCOMP_WORDS=(oci ${list}); COMP_CWORD=${words.length}; _oci\n` +
        'printf "%s\\n" "${COMPREPLY[@]}"\n',
    });
    return stdout.trimEnd().split("\n");
  };

  assertEquals(await complete("i"), ["images", "inspect"]);
  assertEquals(await complete("pull", "--pl"), ["--platform", "--plain-http"]);
  assert((await complete("serve", "--")).includes("--listen"));
  assertEquals(await complete("bundle", "--network", "h"), ["host"]);
  assertEquals(await complete("completions", ""), ["bash", "zsh", "fish"]);
  assertEquals(await complete("permissions", "pu"), ["pull", "push"]);
  assertEquals(await complete("he"), ["help"]);
  // A file: that is for the shell to complete.
  assertEquals(await complete("unpack", "a", "d"), [""]);
});

Deno.test("oci completions knows three shells", async () => {
  const { code, stderr } = await runOci(["completions", "tcsh"]);

  assertEquals(code, 2);
  assertStringIncludes(stderr, "allowed choices are bash, zsh, fish");
});
