import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { unpack, type UnpackOptions } from "../../../cache/mod.ts";
import { type ImageProgress, NotFoundError } from "../../../registry/mod.ts";
import { DigestMismatchError, digestOf, LimitError } from "../../../spec/mod.ts";
import { ContentStore, UnpackError } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import {
  type ChunkedEntry,
  stargzLayer,
  type TableFields,
  zstdChunkedLayer,
} from "../../_support/chunked_layer.ts";
import {
  type FaultRule,
  faultyRegistry,
  ignoreRange,
  on,
  respond,
} from "../../_support/faulty_registry.ts";
import { buildImage, type LayerInput, MemoryContent } from "../../_support/image.ts";
import "../../_support/native_backend.ts";
import { dir, file, hardlink, tar } from "../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";
import { readTree } from "../../_support/tree.ts";
import { testClient } from "../../registry/_client.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const LARGE = noise(500 * KIB, 7);
const MANY = Array.from({ length: 200 }, (_, i) => ({
  file: `etc/many/${String(i).padStart(3, "0")}`,
  content: noise(500, i),
}));
const ENTRIES: readonly ChunkedEntry[] = [
  { dir: "etc" },
  { file: "etc/config", content: new TextEncoder().encode("a = 1\n"), mode: 0o640 },
  { file: "etc/empty", content: new Uint8Array() },
  { dir: "etc/many" },
  ...MANY,
  { dir: "usr" },
  { file: "usr/large", content: LARGE },
  { symlink: "conf", target: "etc" },
  { hardlink: "usr/same", target: "usr/large", bytes: hardlink("usr/same", "usr/large") },
  { file: "usr/filler", content: noise(1500 * KIB, 9) },
];
const FORMATS = [
  { format: "eStargz", write: stargzLayer },
  { format: "zstd:chunked", write: zstdChunkedLayer },
];

/** An image in a registry, and a store. */
async function makeScene(
  layers: readonly (LayerInput | Uint8Array)[],
  rules: readonly FaultRule[] = [],
) {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await makeTempDir({ large: true }));
  const image = buildImage({ layers });
  const registry = stack.use(faultyRegistry(new MemoryContent().add("a/b", "1", image), rules));
  const client = stack.use(testClient());
  const partial: string[] = [];
  const warnings: string[] = [];
  const isLayer = (path: string) => {
    return image.layers.some(({ descriptor: { digest } }) => path.endsWith(digest));
  };
  return {
    partial,
    warnings,
    path: (name: string) => directory.join(name),
    unpack: (name: string, options: UnpackOptions) =>
      unpack(`${registry.host}/a/b:1`, directory.join(name), {
        store: directory.join("store"),
        platform: "linux/amd64",
        client,
        onPartialLayer: ({ digest }) => partial.push(digest),
        onWarning: (message) => warnings.push(message),
        ...options,
      }),
    /** Requests for layers, and the number of bytes in the responses. */
    get fetched() {
      const requests = registry.requests.filter(({ path }) => isLayer(path));
      return {
        requests: requests.length,
        bytes: requests.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
      };
    },
    stored: async () => {
      const store = await ContentStore.open(directory.join("store"));
      const blobs = await Promise.all(image.layers.map(({ descriptor }) => store.has(descriptor)));
      return { blobs, references: (await store.references()).length };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Entries at and below a path, without times and facts about hard links. */
function statesOf(root: string, path: string): ReadonlyMap<string, unknown> {
  const states = [...readTree(root)].filter(([name]) => {
    return name === path || name.startsWith(`${path}/`);
  });
  return new Map(states.map(([name, { nlink: _, sameAs: __, mtime: ___, ...state }]) => {
    return [name, state];
  }));
}

Deno.test.each(FORMATS)("unpack() fetches only the paths of a remote $format layer", async ({
  write,
}) => {
  await using scene = await makeScene([write(ENTRIES, { chunkSize: 64 * KIB })]);
  for (const path of ["etc", "usr/large", "usr/same", "etc/empty"]) {
    const { report } = await scene.unpack(`partial/${path}`, { paths: [path] });
    assertEquals([report.isPartial, report.skippedCount], [true, 0]);
  }
  const { requests, bytes } = scene.fetched;
  assertEquals(await scene.stored(), { blobs: [false], references: 0 });

  const { report } = await scene.unpack("whole", {});

  assertEquals(report.isPartial, false);
  for (const path of ["etc", "usr/large", "usr/same", "etc/empty"]) {
    const states = statesOf(scene.path("whole"), path);
    assert(states.size > 0);
    assertEquals(statesOf(scene.path(`partial/${path}`), path), states);
  }
  // At most two for the table and one for the files of each; 200 small files share a request.
  assertLess(requests, 13);
  assertLess(bytes, 1700 * KIB);
  assertEquals([scene.partial.length, scene.warnings], [4, []]);
});

Deno.test("unpack() finds paths behind links in a table, and whiteouts in another", async () => {
  const top = stargzLayer([
    { dir: "etc" },
    { file: "etc/.wh.config", content: new Uint8Array() },
    { file: "etc/new", content: LARGE.subarray(0, 1000) },
    { file: "filler", content: LARGE },
  ]);
  await using scene = await makeScene([stargzLayer(ENTRIES), top]);

  await scene.unpack("out", { paths: ["conf/new", "etc/empty"] });

  assertEquals(await Deno.readFile(scene.path("out/conf/new")), LARGE.slice(0, 1000));
  const names = await namesIn(scene.path("out/etc"));
  assertEquals(names, ["empty", "new"]);
  const error = await assertRejects(
    () => scene.unpack("other", { paths: ["etc/config"] }),
    UnpackError,
  );
  assertEquals(error.code, "missing-path");
});

Deno.test("unpack() with strip fetches only the selected files that are left", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)]);

  await scene.unpack("out", { paths: ["etc/config", "usr/same"], strip: 1 });
  const before = scene.fetched.bytes;
  await scene.unpack("none", { paths: ["etc/config", "usr/same"], strip: 2 });

  assertEquals(await namesIn(scene.path("out")), ["config", "same"]);
  assertEquals(await Deno.readFile(scene.path("out/same")), LARGE);
  assertEquals(await namesIn(scene.path("none")), []);
  assertLess(scene.fetched.bytes - before, LARGE.length);
  assertEquals(await scene.stored(), { blobs: [false], references: 0 });
});

Deno.test("unpack() downloads only the layers without a table", async () => {
  const base = tar(dir("etc"), file("etc/base", "base"));
  await using scene = await makeScene([base, stargzLayer(ENTRIES)]);

  await scene.unpack("out", { paths: ["etc/base", "etc/config"] });

  assertEquals(await Deno.readTextFile(scene.path("out/etc/base")), "base");
  assertEquals(await Deno.readTextFile(scene.path("out/etc/config")), "a = 1\n");
  assertEquals(await scene.stored(), { blobs: [true, false], references: 0 });
});

Deno.test("unpack() downloads a layer if the paths are most of it", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)]);

  const { report } = await scene.unpack("out", { paths: ["usr"] });

  assertEquals(report.isPartial, false);
  assertEquals([scene.partial, await scene.stored()], [[], { blobs: [true], references: 1 }]);
});

Deno.test("unpack() reports no progress for a layer that it fetches in part", async () => {
  await using scene = await makeScene([tar(file("a", "a")), stargzLayer(ENTRIES)]);
  const events: ImageProgress[] = [];

  await scene.unpack("out", { paths: ["etc/config"], onProgress: (event) => events.push(event) });

  const { kind, phase, bytes, total } = events.at(-1) ?? {};
  assertEquals([kind, phase, bytes], ["total", "done", total]);
  assertLess(bytes ?? 0, 10 * KIB);
});

Deno.test.each<{ readonly what: string; readonly options: UnpackOptions }>([
  { what: "parts are not wanted", options: { partial: false } },
  { what: "the archive has limits", options: { maxEntries: 1000 } },
])("unpack() downloads a layer with a table if $what", async ({ options }) => {
  await using scene = await makeScene([stargzLayer(ENTRIES)]);

  await scene.unpack("out", { paths: ["etc/config"], ...options });

  assertEquals([scene.partial, await scene.stored()], [[], { blobs: [true], references: 1 }]);
});

Deno.test("unpack() downloads a layer with a table from a server without ranges", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)], [on("blob", ignoreRange())]);

  await scene.unpack("out", { paths: ["etc/config"] });

  assertEquals(await Deno.readTextFile(scene.path("out/etc/config")), "a = 1\n");
  assertEquals([scene.partial, await scene.stored()], [[], { blobs: [true], references: 1 }]);
});

Deno.test("unpack() leaves nothing behind at a path whose content does not match the table", async () => {
  const change = (entries: TableFields[]) =>
    entries.map((entry) => {
      return entry.name === "etc/many/150"
        ? { ...entry, chunkDigest: `sha256:${"0".repeat(64)}` }
        : entry;
    });
  await using scene = await makeScene([stargzLayer(ENTRIES, { change })]);

  await assertRejects(() => scene.unpack("out", { paths: ["etc"] }), DigestMismatchError);

  await assertRejects(() => Deno.lstat(scene.path("out")), Deno.errors.NotFound);
});

Deno.test("unpack() limits the bytes of files that it fetches alone", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)]);

  await assertRejects(
    () => scene.unpack("out", { paths: ["usr/large"], maxBytes: 400 * KIB }),
    LimitError,
  );
});

Deno.test("unpack() limits the decompressed bytes before a file", async () => {
  const head = 20 * MIB;
  const piece = new TextEncoder().encode("abc");
  const big = new Uint8Array(head + piece.length);
  big.set(piece, head);
  const entries: ChunkedEntry[] = [
    { file: "big", content: big },
    { file: "filler", content: noise(200 * KIB, 3) },
  ];
  const change = (table: TableFields[]) => {
    const same = { size: piece.length, innerOffset: head, chunkDigest: digestOf(piece) };
    return [...table, ...["d/1", "d/2", "d/3"].map((name) => ({ ...table[0], ...same, name }))];
  };
  await using scene = await makeScene([stargzLayer(entries, { change, chunkSize: 32 * MIB })]);

  await assertRejects(
    () => scene.unpack("out", { paths: ["d"], maxBytes: 50 * MIB }),
    LimitError,
    "decompressed bytes",
  );
  await scene.unpack("out", { paths: ["d"], maxBytes: 70 * MIB });

  assertEquals(await Deno.readTextFile(scene.path("out/d/3")), "abc");
});

Deno.test("unpack() downloads a layer whose table names the same bytes repeatedly", async () => {
  const large = [noise(4000 * KIB, 1), noise(MIB, 2), noise(4000 * KIB, 3)];
  const entries: ChunkedEntry[] = [
    ...large.map((content, i) => ({ file: `large/${i}`, content })),
    { dir: "d" },
    { dir: "d/x" },
    ...large.map((content, i) => ({ file: `d/x/${i}`, content: content.slice(0, 3) })),
    { symlink: "p", target: "d" },
  ];
  const change = (table: TableFields[]) => {
    const [first, middle, last] = table;
    const ends = [middle?.offset, last?.offset, Number(last?.offset) + 4000 * KIB];
    const own = table.map((entry) => {
      const index = ["d/x/0", "d/x/1", "d/x/2"].indexOf(String(entry.name));
      const from = table[index];
      return from === undefined ? entry : { ...entry, offset: from.offset, endOffset: ends[index] };
    });
    const more = Array.from({ length: 4 }, (_, i) => {
      const [from, index] = i % 2 === 0 ? [first, 0] : [last, 2];
      const { chunkDigest } = own.find(({ name }) => name === `d/x/${index}`) ?? {};
      const range = { offset: from?.offset, endOffset: ends[index], size: 3, chunkDigest };
      return { ...from, ...range, name: `d/x/more${i}` };
    });
    return [...own, ...more];
  };
  await using scene = await makeScene([stargzLayer(entries, { change })]);

  await scene.unpack("out", { paths: ["p/x"] });

  assertLess(scene.fetched.bytes, 12 * MIB);
  assertEquals([scene.warnings.length, (await scene.stored()).blobs], [1, [true]]);
  assertEquals(await Deno.readFile(scene.path("out/d/x/0")), large[0]?.slice(0, 3));
});

Deno.test("unpack() downloads a layer whose table has many files at the same bytes", async () => {
  const entries: ChunkedEntry[] = [
    { dir: "d" },
    { file: "d/zeros", content: new Uint8Array(4 * MIB) },
    { file: "filler", content: noise(20 * KIB, 1) },
  ];
  const change = (table: TableFields[]) => {
    const zeros = table.find(({ name }) => name === "d/zeros");
    const copies = Array.from({ length: 20 }, (_, i) => ({ ...zeros, name: `d/copy${i}` }));
    return [...table, ...copies];
  };
  await using scene = await makeScene([stargzLayer(entries, { change })]);

  await scene.unpack("out", { paths: ["d"] });

  assertEquals(await namesIn(scene.path("out/d")), ["zeros"]);
  assertEquals([scene.warnings.length, (await scene.stored()).blobs], [1, [true]]);
});

Deno.test("unpack() opens no other table after one could not be read", async () => {
  const layers = [stargzLayer(ENTRIES), stargzLayer([...ENTRIES, { dir: "more" }])];
  const [first, second] = buildImage({ layers }).layers.map(({ descriptor }) => descriptor.digest);
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: failed, resolve: fail } = Promise.withResolvers<void>();
  const { promise: sent, resolve: send } = Promise.withResolvers<void>();
  await using scene = await makeScene(layers, [
    on({ kind: "blob", path: new RegExp(first ?? "") }, async (request, next) => {
      await asked;
      return await respond(404)(request, next);
    }),
    on({ kind: "blob", path: new RegExp(second ?? "") }, async (_request, next) => {
      ask();
      await failed;
      const response = await next();
      send();
      return response;
    }),
  ]);

  await assertRejects(() => scene.unpack("out", { paths: ["etc/config"] }), NotFoundError);
  fail();
  await sent;
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve));

  assertEquals(scene.partial, []);
});

Deno.test("unpack() replaces files of a directory with parts of a layer", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)]);
  await Deno.mkdir(scene.path("out"));
  await Deno.writeTextFile(scene.path("out/mine"), "mine");

  await scene.unpack("out", { paths: ["etc/config"], force: true });

  assertEquals(await Deno.readTextFile(scene.path("out/etc/config")), "a = 1\n");
  assertEquals(await Deno.readTextFile(scene.path("out/mine")), "mine");
  assertEquals(scene.partial.length, 1);
});
