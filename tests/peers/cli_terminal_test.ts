import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { stripVTControlCharacters } from "node:util";
import { basicAuthentication, serveRegistry } from "../../registry/mod.ts";
import { faultyRegistry, on, stall } from "../_support/faulty_registry.ts";
import { buildImage, type BuiltImage, MemoryContent } from "../_support/image.ts";
import { peerTest } from "../_support/peers.ts";
import { denoEnvironment, ROOT } from "../_support/process.ts";
import { file, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { writableRegistry } from "../_support/writable_registry.ts";
import { pushBuilt } from "../cache/moving/_pushed.ts";

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** A user at a terminal of `script`, who reads the screen and types. */
class Terminal {
  screen = "";
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#writer = child.stdin.getWriter();
  }

  /** Waits until the screen has shown a text. */
  async until(text: string): Promise<void> {
    while (!this.screen.includes(text)) {
      assert(await this.#more(), `ended without showing ${JSON.stringify(text)}: ${this.screen}`);
    }
  }

  async type(keys: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(keys));
  }

  /** Waits for the end of the program, and returns its exit code. */
  async end(): Promise<number> {
    while (await this.#more());
    const { code } = await this.#child.status;
    await this.#writer.close().catch(() => {});
    return code;
  }

  async #more(): Promise<boolean> {
    const { done, value = "" } = await this.#reader.read();
    this.screen += value;
    return !done;
  }
}

/** Runs the command line at a terminal, 24 lines of some columns. */
async function ociAtTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  columns: number,
): Promise<Terminal> {
  const words = [Deno.execPath(), "run", "-A", "--quiet", join(ROOT, "mod.ts"), ...args];
  const command = words.map((word) => `'${word}'`).join(" ");
  return new Terminal(
    new Deno.Command("script", {
      args: ["-qec", `stty rows 24 columns ${columns}; exec ${command}`, "/dev/null"],
      clearEnv: true,
      env: { PATH: Deno.env.get("PATH") ?? "", TERM: "xterm", ...await denoEnvironment(), ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      // A program that hangs fails its test rather than the whole run.
      signal: AbortSignal.timeout(240_000),
    }).spawn(),
  );
}

/** Text without the line breaks of a narrow terminal. */
function joined(screen: string): string {
  return screen.replaceAll(/\s+/g, " ");
}

function largeImage(): BuiltImage {
  const layers = [{
    tar: tar(file("zeros", new Uint8Array(3_000_000))),
    compression: "none",
  }] as const;
  return buildImage({ layers, platform: "linux/amd64" });
}

for (const columns of [100, 30]) {
  peerTest({
    name: `oci pull draws on a terminal of ${columns} columns and tidies up when interrupted`,
    needs: ["script", "stty"],
  }, async () => {
    await using dir = await makeTempDir();
    const built = largeImage();
    const digest = built.layers[0]?.descriptor.digest ?? "";
    await using server = faultyRegistry(new MemoryContent().add("app", "1", built), [
      on({ kind: "blob", path: new RegExp(digest) }, stall(1_500_000)),
    ]);

    const terminal = await ociAtTerminal(
      ["pull", "--platform", "linux/amd64", `${server.host}/app:1`],
      { OCI_STORE: dir.join("store") },
      columns,
    );
    await terminal.until(digest.slice(0, 19));
    await terminal.type("\x03");
    const code = await terminal.end();

    assertEquals(code, 130);
    const { screen } = terminal;
    assertStringIncludes(screen, digest.slice(0, 19));
    assert(screen.lastIndexOf(SHOW_CURSOR) > screen.lastIndexOf(HIDE_CURSOR), "the cursor is back");
    assertMatch(joined(screen), /oci: pull .*: interrupted by SIGINT\. /);
    const drawn = screen.slice(screen.indexOf(HIDE_CURSOR), screen.lastIndexOf(SHOW_CURSOR));
    // deno-lint-ignore no-control-regex -- the sequences that are not shown
    for (const line of drawn.replaceAll(/\x1b\[[?0-9]*[A-Za-z]|\^C/g, "").split(/[\r\n]+/)) {
      assert(line.length < columns, `too wide: ${JSON.stringify(line)}`);
    }
  });
}

peerTest({
  name: "oci cat and ls show the download of layers on a terminal, before their escaped result",
  needs: ["script", "stty"],
}, async () => {
  await using dir = await makeTempDir();
  await using server = await serveRegistry(new MemoryContent().add("app", "1", largeImage()));
  const show = async (store: string, ...args: readonly string[]) => {
    const terminal = await ociAtTerminal(args, { OCI_STORE: dir.join(store) }, 100);
    assertEquals(await terminal.end(), 0);
    return terminal.screen;
  };
  const image = ["--platform", "linux/amd64", `${server.host}/app:1`];

  const listed = await show("a", "ls", ...image);
  const again = await show("a", "ls", ...image);
  const quiet = await show("b", "ls", "--quiet", ...image);
  const read = await show("c", "cat", ...image, "zeros");

  assertEquals([again, quiet], ["zeros\r\n", "zeros\r\n"]);
  for (
    const [screen, result] of [[listed, "zeros\r\n"], [read, "\\u{0}".repeat(3_000_000)]] as const
  ) {
    assert(screen.endsWith(result), "the result is not last");
    const before = screen.slice(0, -result.length);
    assertStringIncludes(before, "1 layer done");
    // A download that ends at once hides no cursor.
    const shown = before.lastIndexOf(SHOW_CURSOR);
    assert(shown >= before.lastIndexOf(HIDE_CURSOR), "the progress is still there");
  }
});

peerTest({
  name: "oci pull draws nothing if TERM is dumb",
  needs: ["script", "stty"],
}, async () => {
  await using dir = await makeTempDir();
  await using server = await serveRegistry(new MemoryContent().add("app", "1", largeImage()));

  const terminal = await ociAtTerminal(
    ["pull", "--platform", "linux/amd64", `${server.host}/app:1`],
    { OCI_STORE: dir.join("store"), TERM: "dumb" },
    100,
  );
  const code = await terminal.end();

  assertEquals(code, 0);
  assert(!terminal.screen.includes("\x1b"), terminal.screen);
  assertMatch(terminal.screen, /sha256:[0-9a-f]{12} fetched/);
});

peerTest({
  name: "oci pull asks for a password and does not show it",
  needs: ["script", "stty"],
}, async () => {
  await using dir = await makeTempDir();
  const authenticate = basicAuthentication((name, password) => {
    return name === "me" && password === "s3cret";
  });
  await using server = await serveRegistry(new MemoryContent().add("app", "1", largeImage()), {
    authenticate,
  });

  const terminal = await ociAtTerminal(
    ["pull", "-q", "--user", "me", "--platform", "linux/amd64", `${server.host}/app:1`],
    { OCI_STORE: dir.join("store") },
    100,
  );
  await terminal.until("Password of me: ");
  await terminal.type("s3cret\r");
  const code = await terminal.end();

  assertEquals(code, 0);
  assertStringIncludes(terminal.screen, `${server.host}/app:1@sha256:`);
  assert(!terminal.screen.includes("s3cret"), terminal.screen);
});

for (
  const { keys, code, tags, says } of [
    { keys: "n\r", code: 0, tags: ["1"], says: "nothing was deleted" },
    { keys: "\r", code: 0, tags: ["1"], says: "nothing was deleted" },
    { keys: "\x03", code: 130, tags: ["1"], says: "interrupted by SIGINT" },
    { keys: "y\r", code: 0, tags: [], says: "[y/N]" },
  ]
) {
  peerTest({
    name: `oci delete asks at a terminal, and takes ${JSON.stringify(keys)} for an answer`,
    needs: ["script", "stty"],
  }, async () => {
    await using registry = writableRegistry();
    await pushBuilt(registry, "app:1", largeImage());

    const terminal = await ociAtTerminal(["delete", `${registry.host}/app:1`], {}, 40);
    await terminal.until("[y/N] ");
    await terminal.type(keys);
    const ended = await terminal.end();

    assertEquals(ended, code);
    assertStringIncludes(terminal.screen, `Delete the tag ${registry.host}/app:1?`);
    assertStringIncludes(joined(terminal.screen), says);
    assertEquals(await registry.content.tags("app"), tags);
  });
}

peerTest({
  name: "oci copy draws on a terminal of 40 columns and ends with the digest",
  needs: ["script", "stty"],
}, async () => {
  await using registry = writableRegistry();
  const built = largeImage();
  await pushBuilt(registry, "app:1", built);
  await using target = writableRegistry();

  const terminal = await ociAtTerminal(
    ["copy", `${registry.host}/app:1`, `${target.host}/app:1`],
    {},
    40,
  );
  const code = await terminal.end();

  assertEquals(code, 0);
  assertStringIncludes(terminal.screen, `${target.host}/app:1@${built.descriptor.digest}`);
  const { screen } = terminal;
  const drawn = screen.slice(screen.indexOf(HIDE_CURSOR), screen.lastIndexOf(SHOW_CURSOR));
  // deno-lint-ignore no-control-regex -- the sequences that are not shown
  for (const line of drawn.replaceAll(/\x1b\[[?0-9]*[A-Za-z]/g, "").split(/[\r\n]+/)) {
    assert(line.length < 40, `too wide: ${JSON.stringify(line)}`);
  }
});

peerTest({
  name: "oci artifact pull prints its result below no progress",
  needs: ["script", "stty"],
}, async () => {
  await using registry = writableRegistry();
  await using dir = await makeTempDir();
  const name = `${registry.host}/files:1`;
  const env = { OCI_STORE: dir.join("store") };
  await Deno.writeTextFile(dir.join("a.txt"), "a");

  const pushing = await ociAtTerminal(["artifact", "push", name, dir.join("a.txt")], env, 80);
  assertEquals(await pushing.end(), 0);
  const pulling = await ociAtTerminal(["artifact", "pull", name, dir.join("out")], env, 80);
  assertEquals(await pulling.end(), 0);

  assertMatch(pulling.screen, /(^|[\nKhl])a\.txt\r\n$/);
  assertMatch(pushing.screen, /(^|[\nKhl])sha256:[0-9a-f]{64}\r\n$/);
});

peerTest({
  name: "oci demo breaks lines between words on a terminal of 40 columns",
  needs: ["script", "stty"],
}, async () => {
  const terminal = await ociAtTerminal(["demo"], {}, 40);
  assertEquals(await terminal.end(), 0);

  const [text = "", command] = terminal.screen.split("Try it on a real image:");
  // A longer word has no space, and stays whole.
  const wide = stripVTControlCharacters(text).split("\r\n").filter((line) =>
    line.length > 40 && /\S\s+\S/.test(line)
  );
  assertEquals(wide, []);
  assertStringIncludes(command ?? "", "mod.ts pull alpine:3.20");
});
