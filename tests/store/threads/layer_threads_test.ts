import { assertEquals, assertRejects } from "@std/assert";
import { ExtractError } from "../../../layer/errors.ts";
import { LIMIT_NAMES } from "../../../layer/extraction/layer_limits.ts";
import { digestOf } from "../../../spec/digest.ts";
import { LimitError } from "../../../spec/errors.ts";
import type { SinkListener } from "../../../store/threads/layer_sink.ts";
import { pickStageOptions } from "../../../store/threads/layer_staging.ts";
import { LayerThreads } from "../../../store/threads/layer_threads.ts";
import { concat, file, gzip, tar, zstd, zstdSkippable } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const SILENT: SinkListener = { warn() {}, fail() {} };
const ARCHIVE = tar(file("a", "1"), file("b", "2"));
const LAYER = gzip(ARCHIVE);
const PLAN = {
  descriptor: {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    digest: digestOf(LAYER),
    size: LAYER.length,
  },
  diffId: digestOf(ARCHIVE),
};

const THREADS: Readonly<Record<string, () => LayerThreads>> = {
  "this thread": () => new LayerThreads(0),
  "another thread": () => new LayerThreads(1),
  "another thread, decompressed in this one": () => new LayerThreads(1, { from: 1, relay: "here" }),
  "two other threads": () => new LayerThreads(2, { from: 1, relay: "thread" }),
};

for (const [name, start] of Object.entries(THREADS)) {
  Deno.test.each([
    { kind: "openStage", maxEntries: 1, isRefused: true },
    { kind: "openStage", maxEntries: 2, isRefused: false },
    { kind: "openOverlay", maxEntries: 1, isRefused: true },
    { kind: "openOverlay", maxEntries: 2, isRefused: false },
  ])(
    `LayerThreads.$kind() limits the entries to $maxEntries in ${name}`,
    async ({ kind, maxEntries, isRefused }) => {
      await using dir = await makeTempDir();
      const work = dir.path;
      await Deno.mkdir(dir.join("0"));
      using threads = start();
      await using sink = kind === "openStage"
        ? await threads.openStage({
          ...PLAN,
          work,
          index: 0,
          options: { maxEntries, ownership: "squash" },
        }, SILENT)
        : await threads.openOverlay({
          ...PLAN,
          root: dir.join("0"),
          options: { maxEntries, ownership: "squash", whiteouts: "user" },
        }, SILENT);
      const extract = async () => {
        await sink.write(LAYER.slice());
        return await sink.close();
      };

      if (isRefused) await assertRejects(extract, LimitError, "entries");
      else await extract();

      const entries = await Array.fromAsync(Deno.readDir(dir.join("0")));
      const names = entries.map(({ name }) => name);
      if (!isRefused) assertEquals(names.sort(), ["a", "b"]);
    },
  );
}

for (const [name, start] of Object.entries(THREADS)) {
  Deno.test(`LayerThreads rejects an empty archive in a larger layer in ${name}`, async () => {
    await using dir = await makeTempDir();
    const archive = tar();
    const layer = concat(zstd(archive), zstdSkippable(new Uint8Array(100_000)));
    const descriptor = {
      mediaType: "application/vnd.oci.image.layer.v1.tar+zstd",
      digest: digestOf(layer),
      size: layer.length,
    };
    const plan = { descriptor, diffId: digestOf(archive), work: dir.path, index: 0, options: {} };
    using threads = start();
    await using sink = await threads.openStage(plan, SILENT);
    await sink.write(layer);

    await assertRejects(() => sink.close(), ExtractError, "its archive is empty");
  });
}

Deno.test("pickStageOptions() keeps all limits", () => {
  const limits = Object.fromEntries(LIMIT_NAMES.map((name) => [name, 1]));

  const options = pickStageOptions(limits);

  assertEquals(LIMIT_NAMES.map((name) => options[name]), LIMIT_NAMES.map(() => 1));
});
