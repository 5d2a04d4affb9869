import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { COMMANDS } from "../../cli/commands.ts";
import { parseCommandLine } from "../../cli/frame/command_line.ts";
import { UsageError } from "../../cli/frame/errors.ts";
import { addForeignHints } from "../../cli/frame/foreign_options.ts";
import { formatHelp } from "../../cli/frame/help.ts";
import { declareCommand, splitArguments } from "../../cli/frame/program.ts";
import { ADVICE, refuseCommand } from "../../cli/frame/unknown_command.ts";

Deno.test.each([
  { args: ["pull", "a"], name: "pull", rest: ["a"] },
  { args: ["--json", "pull", "a"], name: "pull", rest: ["--json", "a"] },
  { args: ["-v", "run", "a"], name: "run", rest: ["--verbose", "a"] },
  { args: ["-qv", "run", "-v", "a"], name: "run", rest: ["--quiet", "--verbose", "-v", "a"] },
  { args: ["--store", "d", "pull", "a"], name: "pull", rest: ["--store", "d", "a"] },
  { args: ["--store=d", "pull", "a"], name: "pull", rest: ["--store=d", "a"] },
  { args: ["-o", "f", "export", "a"], name: "export", rest: ["-o", "f", "a"] },
  { args: ["--platform", "p", "ls"], name: "ls", rest: ["--platform", "p"] },
  { args: ["--long", "ls", "a"], name: "ls", rest: ["--long", "a"] },
  { args: ["--nothing", "ls", "a"], name: "ls", rest: ["--nothing", "a"], unknown: "--nothing" },
  { args: ["pull", "images"], name: "pull", rest: ["images"] },
  { args: ["--version"], name: undefined, rest: ["--version"] },
  { args: ["--", "pull"], name: undefined, rest: ["--", "pull"] },
  { args: [], name: undefined, rest: [] },
])("splitArguments(, COMMANDS) finds $name in $args", async ({ args, ...split }) => {
  assertEquals(await splitArguments(args, COMMANDS), split);
});

/** The command lines of `oci` among lines for a shell, as far as its operators. */
function commandLines(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/^\s*oci (.*)$|\$\(oci (.*?)\)|; oci (.*)$/gm)].map((match) => {
    const [line = ""] = (match.slice(1).find(Boolean) ?? "").split(
      / (?:\||[0-9]?>|<|&&) |; (?=oci)/,
    );
    return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => {
      return word.replaceAll(/['"]/g, "");
    });
  });
}

for (const [name, { summary, load }] of COMMANDS) {
  Deno.test(`COMMANDS has examples of ${name} that are command lines`, async () => {
    const { texts: { notes } } = declareCommand(name, await load(), COMMANDS);

    for (const words of commandLines(notes)) {
      const { name: used = "", rest } = await splitArguments(words, COMMANDS);
      const entry = COMMANDS.get(used);
      assert(entry !== undefined, words.join(" "));
      parseCommandLine(declareCommand(used, await entry.load(), COMMANDS), rest);
    }
  });

  Deno.test(`COMMANDS has a help for ${name} that reads as the others do`, async () => {
    const command = declareCommand(name, await load(), COMMANDS);

    assertMatch(command.texts.description, /^[A-Z][a-z]+s .*\.$/s);
    assertMatch(summary, /^[a-z].*[^.]$/);
    for (const { description } of command.options) {
      assertMatch(description, /^(?:[a-z]|[A-Z]{2}).*[^.]$/);
    }
    const help = formatHelp(command, 100);
    assert(help.startsWith(`Usage: oci ${name} [options]`), help);
    assertStringIncludes(help, "--store <dir>");
  });

  Deno.test(`COMMANDS has no two options of ${name} with the same flag or key`, async () => {
    const { options } = declareCommand(name, await load(), COMMANDS);

    const flags = options.flatMap(({ long, short }) => short === undefined ? long : [short, long]);
    const keys = options.map(({ key }) => key);
    assertEquals([flags, keys], [[...new Set(flags)], [...new Set(keys)]]);
  });
}

Deno.test("ADVICE names commands that exist, for words that do not", () => {
  for (const [word, advice] of ADVICE) {
    assert(!COMMANDS.has(word), word);
    const [, meant = ""] = /"oci ([a-z]+)[^"]*"/.exec(advice) ?? [];
    assert(COMMANDS.has(meant), advice);
  }
});

Deno.test.each([
  { words: ["image", "inspect"], advice: 'Use "oci inspect"' },
  { words: ["image", "mount"], advice: 'Use "oci bundle"' },
  { words: ["image", "ls"], advice: 'Use "oci images"' },
  { words: ["manifest", "rm"], advice: 'Use "oci delete"' },
  { words: ["auth", "get"], advice: 'Use "oci login --get"' },
  // In other tools, these list images and write archives.
  { words: ["i", "ls"], advice: 'Use "oci images"' },
  { words: ["image", "export"], advice: 'Use "oci save"' },
  { words: ["image", "nope"], advice: 'Use "oci images"' },
  { words: ["image"], advice: 'Use "oci images"' },
  { words: ["system", "df"], advice: 'Use "oci images"' },
  { words: ["container", "run"], advice: 'Use "oci run"' },
  { words: ["registry", "login"], advice: 'Use "oci login"' },
])("refuseCommand() advises on $words", ({ words: [name = "", ...rest], advice }) => {
  assertThrows(
    () => refuseCommand(name, COMMANDS, rest),
    UsageError,
    `unknown command "${name}". ${advice}`,
  );
});

Deno.test.each([
  { command: "copy", flag: "--format", advice: "Leave it out; manifests and layers are copied" },
  { command: "pull", flag: "-a", advice: 'Copy a repository with "oci copy --all-tags' },
  { command: "push", flag: "-a", advice: 'Use "--all-tags"' },
  { command: "tag", flag: "-f", advice: "Leave it out; an existing tag is replaced" },
  { command: "inspect", flag: "-f", advice: 'Use "--json", and jq' },
  { command: "copy", flag: "--sign-by=x", advice: "Sign the copy with cosign" },
  { command: "serve", flag: "-p", advice: 'Use "--listen HOST:PORT"' },
  { command: "pull", flag: "--disable-content-trust", advice: 'Use "--verify SIGNER"' },
  { command: "fsck", flag: "-f", advice: 'Use "--repair"' },
  { command: "fsck", flag: "--fix", advice: 'Use "--repair"' },
  { command: "prune", flag: "--filter", advice: 'Use "--older-than' },
  { command: "login", flag: "--get-login", advice: 'Use "--get"' },
  { command: "serve", flag: "-l", advice: 'Use "--listen HOST:PORT"' },
  { command: "logout", flag: "-a", advice: 'Use "--all"' },
  { command: "unpack", flag: "-C", advice: "Write the directory after the image" },
  { command: "artifact", flag: "-o", advice: "Write the directory after the artifact" },
  { command: "delete", flag: "-f", advice: 'Use "--yes"' },
  { command: "unpack", flag: "-f", advice: 'Use "--force"' },
])("COMMANDS advises on $flag of $command", async ({ command: name, flag, advice }) => {
  const entry = COMMANDS.get(name);
  assert(entry !== undefined);
  const command = declareCommand(name, await entry.load(), COMMANDS);
  addForeignHints(command);

  assertThrows(() => parseCommandLine(command, ["a", "b", flag]), UsageError, advice);
});

Deno.test("addForeignHints() names options of the command for unknown flags", async () => {
  let count = 0;
  for (const [name, { load }] of COMMANDS) {
    const command = declareCommand(name, await load(), COMMANDS);
    addForeignHints(command);
    for (const [flag, advice] of command.hints) {
      assertEquals(command.find(flag), undefined, `${name} ${flag}`);
      const [, own] = /^Use "(--[a-z-]+)/.exec(advice) ?? [];
      assert(own === undefined || command.find(own) !== undefined, `${name}: ${advice}`);
      count++;
    }
  }
  assert(count > 300);
});

const LOGIN = ["password-stdin", "identity-token", "registry-token", "authfile"];
const CONNECTING = ["plain-http", "retries", "max-wait", "allow-private-addresses"];
const ACCESS = ["user", ...LOGIN, "ca", "client-cert", "client-key", ...CONNECTING];
const READING = ["platform", "policy", ...ACCESS, "mirror"];
const PULLING = [...READING, "jobs", "connections", "progress", "progress-interval"];
const USING = [...PULLING, "verify", "strict-platform", "check-tag"];

Deno.test.each([
  { name: "pull", options: USING },
  { name: "unpack", options: USING },
  { name: "export", options: PULLING },
  { name: "save", options: PULLING },
  { name: "inspect", options: READING },
  { name: "ls", options: [...READING, "connections"] },
  { name: "cat", options: [...READING, "connections"] },
  { name: "digest", options: ["platform", ...ACCESS, "mirror"] },
  { name: "tags", options: ACCESS },
  { name: "tag", options: ACCESS },
  { name: "delete", options: ACCESS },
  { name: "catalog", options: ACCESS },
  { name: "artifact", options: PULLING.filter((name) => name !== "platform") },
])("COMMANDS gives $name the registry options that apply to it", async (each) => {
  const entry = COMMANDS.get(each.name);
  assert(entry !== undefined);

  const { options } = declareCommand(each.name, await entry.load(), COMMANDS);

  const own = options.filter(({ group }) => group === "Options for registries:");
  assertEquals(own.map(({ long }) => long.slice(2)).sort(), each.options.toSorted());
});

/** The options of `docker run`, except those for Windows and for drivers. */
const DOCKER_FLAGS =
  `--add-host --annotation -a --attach --blkio-weight --blkio-weight-device --cap-add
  --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-rt-period
  --cpu-rt-runtime -c --cpu-shares --cpus --cpuset-cpus --cpuset-mems -d --detach --detach-keys
  --device --device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps
  --device-write-iops --disable-content-trust --dns --dns-option --dns-search --domainname
  --entrypoint -e --env --env-file --expose --gpus --group-add --health-cmd --health-interval
  --health-retries --health-start-interval --health-start-period --health-timeout --help -h
  --hostname --init -i --interactive --ip --ip6 --ipc --kernel-memory -l --label --label-file --link
  --log-driver --log-opt --mac-address -m --memory --memory-reservation --memory-swap
  --memory-swappiness --mount --name --network --network-alias --no-healthcheck --oom-kill-disable
  --oom-score-adj --pid --pids-limit --platform --privileged -p --publish -P --publish-all --pull -q
  --quiet --read-only --restart --rm --runtime --security-opt --shm-size --sig-proxy --stop-signal
  --stop-timeout --sysctl --tmpfs -t --tty --ulimit -u --user --userns --uts -v --volume
  --volume-driver --volumes-from -w --workdir`;

Deno.test.each(["run", "bundle"])(
  "COMMANDS has a %s with the short options of docker",
  async (name) => {
    const entry = COMMANDS.get(name);
    assert(entry !== undefined);

    const command = declareCommand(name, await entry.load(), COMMANDS);

    const meant = Object.entries({
      "-e": "--env",
      "-w": "--cwd",
      "--workdir": "--cwd",
      "-u": "--user",
      "-v": "--mount",
      "--volume": "--mount",
      "-m": "--memory",
      "--cpus": "--cpu",
      "--net": "--network",
      "-i": "--interactive",
      "-t": "--tty",
      "-h": "--hostname",
      "-q": "--quiet",
    });
    assertEquals(meant.map(([flag]) => [flag, command.find(flag)?.long]), meant);
    addForeignHints(command);
    const unknown = DOCKER_FLAGS.split(/\s+/).filter((flag) => {
      return !command.has(flag) && !command.hints.has(flag);
    });
    assertEquals(unknown, []);
  },
);

for (const columns of [40, 80, 100]) {
  Deno.test(`COMMANDS has help texts that fit ${columns} columns`, async () => {
    for (const [name, { load }] of COMMANDS) {
      const help = formatHelp(declareCommand(name, await load(), COMMANDS), columns);

      // A longer word cannot be broken.
      const wide = help.split("\n").filter((line) => {
        return line.length > columns && line.trim().replace(/ \\$/, "").includes(" ");
      });
      assertEquals(wide, []);
    }
  });
}
