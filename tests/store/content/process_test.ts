import { assertEquals, assertGreater } from "@std/assert";
import { join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { ContentStore } from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { findDenoDir, ROOT, run } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

const { descriptor: DESCRIPTOR, bytes: BYTES } = randomBlob(8_000_000);

Deno.test("tag() loses nothing when two processes add 50 references each", async () => {
  await using directory = await makeTempDir();

  const results = await Promise.all(
    ["example.com/a", "example.com/b"].map((prefix) =>
      deno("_tag_child.ts", directory.path, prefix)
    ),
  );

  const references = await (await ContentStore.open(directory.path)).references();
  assertEquals(results.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""]]);
  assertEquals(new Set(references.map(({ name }) => name)).size, 100);
});

Deno.test("references() succeeds at any time while another process writes", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  let running = true;
  const child = deno("_tag_child.ts", directory.path, "example.com/a")
    .finally(() => running = false);
  const counts: number[] = [];

  while (running) {
    counts.push((await store.references()).length);
    // References are read synchronously: let the event loop notice the end of the process.
    await new Promise((resolve) => setTimeout(resolve));
  }
  await child;

  assertEquals(counts, counts.toSorted((a, b) => a - b));
  assertEquals((await store.references()).length, 50);
});

Deno.test("ingest() fetches once for two processes", async () => {
  await using directory = await makeTempDir();
  await using server = serveBlob();

  const results = await Promise.all([
    ingestChild(directory.path, server.url),
    ingestChild(directory.path, server.url),
  ]);

  const store = await ContentStore.open(directory.path);
  assertEquals(results.map((lines) => lines.at(-1)).sort(), ["done 0 cached", "done 0 fetched"]);
  assertEquals(server.offsets, [0]);
  assertEquals(await store.verify(DESCRIPTOR), true);
});

Deno.test("ingest() resumes the download of a killed process", async () => {
  await using directory = await makeTempDir();
  await using server = serveBlob(5_000_000);
  let lastLine = "";
  await ingestChild(directory.path, server.url, (child, line) => {
    lastLine = line;
    // Everything that the server will send has arrived; now the child waits for more.
    if (line === "5000000") child.kill("SIGKILL");
  });
  server.open();

  const lines = await ingestChild(directory.path, server.url);

  const [first, second] = server.offsets;
  assertEquals([lastLine, first], ["5000000", 0]);
  // Buffered bytes that were not written yet, less than 256 KiB, are lost with the process.
  assertGreater(second, 5_000_000 - 256 * 1024);
  assertEquals(lines.at(-1), `done ${second} fetched`);
  const store = await ContentStore.open(directory.path);
  assertEquals(await store.readBlob(DESCRIPTOR), BYTES);
});

Deno.test("ingest() takes over from a process that is killed while this one waits", async () => {
  await using directory = await makeTempDir();
  await using server = serveBlob(5_000_000);
  const waiting = Promise.withResolvers<void>();
  const killed = ingestChild(directory.path, server.url, (child, line) => {
    if (line === "5000000") waiting.promise.then(() => child.kill("SIGKILL"));
  }).then(() => server.open());
  const store = await ContentStore.open(directory.path);
  await Promise.race([server.requested, killed]);

  const { status, resumed } = await store.ingest(DESCRIPTOR, async ({ offset = 0 }) => {
    const { body } = await fetch(server.url, { headers: { range: `bytes=${offset}-` } });
    return body ?? new ReadableStream();
    // Progress before this task has the lock is that of the other process.
  }, { onProgress: () => waiting.resolve() });
  await killed;

  assertEquals([status, server.offsets], ["fetched", [0, resumed]]);
  assertEquals(await store.verify(DESCRIPTOR), true);
});

Deno.test("ContentStore reads with only --allow-read", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  await store.putBytes(DESCRIPTOR, BYTES);
  await store.tag("example.com/a:1", DESCRIPTOR);
  await Deno.remove(join(directory.path, "verified"), { recursive: true });
  const module = new URL("../../../store/mod.ts", import.meta.url);
  const script = `
    import { ContentStore } from ${JSON.stringify(module.href)};
    const store = await ContentStore.open(${JSON.stringify(directory.path)});
    const descriptor = await store.resolve("example.com/a:1");
    console.log(await store.verify(descriptor), (await store.readBlob(descriptor)).length);
  `;
  await Deno.writeTextFile(directory.join("script.ts"), script);

  const { stdout, stderr } = await run(Deno.execPath(), [
    "run",
    "--no-prompt",
    `--config=${join(ROOT, "deno.json")}`,
    `--allow-read=${directory.path}`,
    directory.join("script.ts"),
  ], { env: { DENO_DIR: await findDenoDir() } });

  assertEquals([stdout, stderr], ["true 8000000\n", ""]);
});

function command(script: string, args: readonly string[]): [string, string[]] {
  return [Deno.execPath(), [
    "run",
    "-A",
    "--quiet",
    join(ROOT, "tests/store/content", script),
    ...args,
  ]];
}

async function deno(script: string, ...args: readonly string[]) {
  return await run(...command(script, args), { cwd: ROOT, env: { DENO_DIR: await findDenoDir() } });
}

async function ingestChild(
  store: string,
  url: string,
  onLine: (child: Deno.ChildProcess, line: string) => void = () => {},
): Promise<readonly string[]> {
  const { digest, size } = DESCRIPTOR;
  const [program, args] = command("_ingest_child.ts", [store, url, digest, `${size}`]);
  const child = new Deno.Command(program, { args, cwd: ROOT, stdout: "piped", stderr: "piped" })
    .spawn();
  const stderr = child.stderr.text();
  const lines: string[] = [];
  const text = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of text) {
    lines.push(line);
    onLine(child, line);
  }
  const { success, code, signal } = await child.status;
  // The tests wait for the child, so a failure of it must end them.
  if (!success && signal === null) {
    throw new Error(`_ingest_child.ts failed with exit code ${code}: ${await stderr}`);
  }
  await stderr;
  return lines;
}

interface BlobServer extends AsyncDisposable {
  readonly url: string;
  readonly offsets: number[];
  /** Resolves with the first request. */
  readonly requested: Promise<void>;
  /** Sends the bytes that were held back. */
  open(): void;
}

/** Serves the blob from any offset on, but holds back everything after `gate` bytes. */
function serveBlob(gate: number = BYTES.length): BlobServer {
  const offsets: number[] = [];
  const gateOpened = Promise.withResolvers<void>();
  const requested = Promise.withResolvers<void>();
  if (gate === BYTES.length) gateOpened.resolve();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
    offsets.push(start);
    requested.resolve();
    let at = start;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          if (at >= gate) await gateOpened.promise;
          if (at >= BYTES.length) return controller.close();
          const end = Math.min(at + 100_000, at < gate ? gate : BYTES.length);
          controller.enqueue(BYTES.slice(at, end));
          at = end;
        },
      }),
      { status: 206 },
    );
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    offsets,
    requested: requested.promise,
    open: () => gateOpened.resolve(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
