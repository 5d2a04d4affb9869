import { assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import {
  type Fault,
  type FaultRule,
  faultyRegistry,
  on,
  plain,
  tokenAuth,
} from "../_support/faulty_registry.ts";
import { buildImage, buildIndex, MemoryContent } from "../_support/image.ts";
import { denoEnvironment, kill, ROOT } from "../_support/process.ts";
import { linuxTest, posixTest } from "../_support/skip.ts";
import { file, noise, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";

/** The promise is one second on an idle machine; this one may be busy. */
const PATIENCE_MS = 20_000;

const image = buildImage({
  layers: [{ tar: tar(file("noise", noise(3_000_000))), compression: "none" }],
  platform: "linux/amd64",
});
const content = new MemoryContent().add("app", "1", buildIndex([image]));

/** A running command line. Nothing reads its stdout. */
interface Running {
  readonly child: Deno.ChildProcess;
  readonly stderr: Promise<string>;
}

async function start(
  args: readonly string[],
  home: string,
  stdin: "null" | "piped" = "null",
): Promise<Running> {
  const child = await spawn(args, home, stdin);
  return { child, stderr: new Response(child.stderr).text() };
}

async function spawn(
  args: readonly string[],
  home: string,
  stdin: "null" | "piped" = "null",
): Promise<Deno.ChildProcess> {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `--config=${join(ROOT, "deno.json")}`, join(ROOT, "mod.ts")]
      .concat(args),
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", HOME: home, ...await denoEnvironment() },
    stdin,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Sends a signal, and checks that it ends the command. */
async function assertInterrupted({ child, stderr }: Running): Promise<void> {
  const started = performance.now();
  const killing = setTimeout(() => kill(child, "SIGKILL"), 2 * PATIENCE_MS);
  child.kill("SIGTERM");
  const { code } = await child.status;
  clearTimeout(killing);
  await child.stdout.cancel();
  const said = await stderr;
  assertEquals(code, 143, said);
  assertLess(performance.now() - started, PATIENCE_MS);
  assertMatch(said, /^oci: .*: interrupted by SIGTERM\. /m);
}

/** Half of a response, and a promise that resolves when it has been sent. */
function stallOnce(): { readonly reached: Promise<void>; readonly fault: Fault } {
  const { promise: reached, resolve } = Promise.withResolvers<void>();
  const fault: Fault = async (_, next) => {
    const response = await next();
    resolve();
    return { ...response, wire: { stallAfter: 5 } };
  };
  return { reached, fault };
}

posixTest.each<{ what: string; command: string; rules: (fault: Fault) => readonly FaultRule[] }>([
  {
    what: "a token",
    command: "pull",
    rules: (fault) => [on("token", fault), on({}, tokenAuth().fault)],
  },
  {
    what: "an index",
    command: "pull",
    rules: (fault) => [on({ method: "GET", path: /manifests\/1$/ }, fault)],
  },
  {
    what: "a manifest",
    command: "pull",
    rules: (fault) => [on({ method: "GET", path: /manifests\/sha256/ }, fault)],
  },
  { what: "a config or a layer", command: "pull", rules: (fault) => [on("blob", fault)] },
  { what: "a page of tags", command: "tags", rules: (fault) => [on("tags", fault)] },
])("oci $command ends on SIGTERM while $what stalls", async (row) => {
  await using home = await makeTempDir();
  const { reached, fault } = stallOnce();
  await using registry = faultyRegistry(content, row.rules(fault));
  const operand = row.command === "tags" ? `${registry.host}/app` : `${registry.host}/app:1`;
  const options = row.command === "tags" ? [] : ["--platform", "linux/amd64"];

  const running = await start([row.command, operand, ...options], home.path);
  await reached;

  await assertInterrupted(running);
});

posixTest.each([
  { command: "export", operands: [] },
  { command: "cat", operands: ["noise"] },
])(
  "oci $command ends on SIGTERM while nothing reads its output",
  async ({ command, operands }) => {
    await using home = await makeTempDir();
    await using registry = faultyRegistry(content);
    const args = [command, `${registry.host}/app:1`, ...operands, "--platform", "linux/amd64"];

    const running = await start(args, home.path);
    // The rest, 3 MB, exceeds the capacity of any pipe.
    const reader = running.child.stdout.getReader();
    await reader.read();
    reader.releaseLock();

    await assertInterrupted(running);
  },
);

linuxTest.each(["locks/layers.lock", ".overlay-trial.lock"])(
  "oci bundle notes that it waits for %s, and ends on SIGTERM",
  async (lock) => {
    await using home = await makeTempDir();
    await using registry = faultyRegistry(content);
    const store = home.join("store");
    const reference = `${registry.host}/app:1`;
    const pulled = await start(
      ["pull", "--store", store, "--platform", "linux/amd64", reference],
      home.path,
    );
    await pulled.child.status;
    await pulled.child.stdout.cancel();
    await pulled.stderr;
    const path = join(store, lock);
    await Deno.mkdir(dirname(path), { recursive: true });
    using holder = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    await holder.lock(true);

    const bundler = lock.includes("layers") ? "uncompressed" : "overlay";
    const args = ["bundle", "--bundler", bundler, "--store", store, reference, home.join("b")];
    const { child, said } = await startWatched(args, home.path);
    const notice = `Waiting for another process, which holds "${path}"`;

    assertStringIncludes(await said(notice), notice);
    child.kill("SIGTERM");
    assertEquals((await child.status).code, 143);
    await child.stdout.cancel();
  },
);

/** Starts the command line, and returns its output up to a text, or to its end. */
async function startWatched(args: readonly string[], home: string) {
  const child = await spawn(args, home);
  const said = Promise.withResolvers<string>();
  const watch = async (text: string) => {
    let seen = "";
    for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
      seen += part;
      if (seen.includes(text)) said.resolve(seen);
    }
    said.resolve(seen);
  };
  return {
    child,
    said: (text: string) => {
      watch(text).catch(said.reject);
      return said.promise;
    },
  };
}

posixTest("oci tags ends on SIGTERM while nothing reads its stderr", async () => {
  await using home = await makeTempDir();
  const { reached, fault } = stallOnce();
  // Each page is a line on stderr; together they exceed the capacity of any pipe.
  const page = (number: number): Fault => () => {
    const link = { link: `<?page=${number + 1}_${"x".repeat(3000)}>; rel=next` };
    return plain(200, link, '{"tags":[]}');
  };
  const pages = Array.from({ length: 50 }, (_, i) => {
    return on({ kind: "tags", path: new RegExp(i === 0 ? "n=1000" : `page=${i}_`) }, page(i));
  });
  await using registry = faultyRegistry(content, [...pages, on("tags", fault)]);

  const child = await spawn(["tags", "--debug", `${registry.host}/app`], home.path);
  const killing = setTimeout(() => kill(child, "SIGKILL"), 3 * PATIENCE_MS);
  await Promise.race([reached, child.status]);
  child.kill("SIGTERM");
  const { code } = await child.status;
  clearTimeout(killing);
  await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);

  assertEquals(code, 143);
});

linuxTest("oci pull ends on SIGTERM while nothing writes to its stdin", async () => {
  await using home = await makeTempDir();
  const args = ["pull", "127.0.0.1:1/app:1", "--ca", "/dev/stdin"];
  const running = await start(args, home.path, "piped");
  const { pid, stdin } = running.child;

  // It opens the pipe once more to read it.
  const deadline = performance.now() + PATIENCE_MS;
  while (pipesLike(pid, 0) < 2 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await assertInterrupted(running);

  await stdin.abort().catch(() => {});
});

/** Returns how many descriptors of a process refer to the same pipe as one of them. */
function pipesLike(pid: number, descriptor: number): number {
  const directory = `/proc/${pid}/fd`;
  const pipe = Deno.readLinkSync(`${directory}/${descriptor}`);
  return Array.from(Deno.readDirSync(directory), ({ name }) => {
    try {
      return Deno.readLinkSync(`${directory}/${name}`);
    } catch {
      return undefined;
    }
  }).filter((target) => target === pipe).length;
}
