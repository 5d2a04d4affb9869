import { assert, assertEquals, assertMatch } from "@std/assert";
import { serveRegistry } from "../../../../registry/mod.ts";
import { buildImage, type BuiltImage, MemoryContent } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { file, tar } from "../../../_support/tar.ts";

const runOci = ociSession();

function image(platform: string, ...texts: readonly string[]): BuiltImage {
  const layers = texts.map((text, i) => tar(file(`file${i}`, text)));
  return buildImage({ layers, platform });
}

Deno.test("oci pull --progress json writes one object per line to stderr", async () => {
  const built = image("linux/amd64", "one", "two");
  await using server = await serveRegistry(new MemoryContent().add("app", "1", built));
  const ref = `${server.host}/app:1`;

  const { stderr } = await runOci(
    ["pull", "--progress", "json", "--platform", "linux/amd64", ref],
  );

  const events = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  const members = ["kind", "time", "reference", "digest", "phase", "bytes", "total", "resumed"];
  members.push("retries", "cached");
  for (const event of events) assertEquals(Object.keys(event).sort(), members.toSorted());
  assert(events.every((event) => event.reference === ref), "each names the reference");
  const done = events.filter(({ phase, kind }) => phase === "done" && kind === "layer");
  for (const { descriptor } of built.layers) {
    const event = done.find(({ digest }) => digest === descriptor.digest);
    assertEquals([event?.bytes, event?.total], [descriptor.size, descriptor.size]);
  }
  assertEquals(events.at(-1).phase, "done");
});

Deno.test("oci pull --progress json writes warnings and errors as objects, too", async () => {
  const content = new MemoryContent().add("app", "1", image("linux/s390x", "x"));
  await using server = await serveRegistry(content);
  const ref = `${server.host}/app:1`;
  const own = ["pull", "--progress", "json", "--platform", "linux/amd64", "--debug"];

  const warned = await runOci([...own, ref]);
  const failed = await runOci([...own, "--json", "--verbose", "--retries=0", "127.0.0.1:1/app:1"]);
  const misused = await runOci([...own, "--wrong", ref]);

  const eventsOf = ({ stderr }: typeof warned) => {
    return stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  };
  const all = eventsOf(warned);
  const causes = eventsOf(failed);
  const [misuse] = eventsOf(misused);
  const { message, time } = all.find(({ kind }) => kind === "warning");
  assertMatch(message, /^"127.*app:1" is for linux\/s390x, not for linux\/amd64$/);
  assert(Math.abs(Date.now() - time) < 240_000);
  assert(all.some(({ kind, message }) => kind === "debug" && message.startsWith("GET http")));
  const { kind: _kind, time: _time, ...members } = causes.find(({ kind }) => kind === "error");
  assertEquals(members, JSON.parse(failed.stdout).error);
  assertMatch(causes.at(-1).message, /^caused by: /);
  assertEquals([misuse.kind, misuse.code, misused.code], ["error", "usage", 2]);
});
