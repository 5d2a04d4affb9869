import { assert, assertEquals } from "@std/assert";
import { exists } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { toBytes, toText } from "@std/streams";
import { TarStream, type TarStreamInput, UntarStream } from "@std/tar";

Deno.test("TarStream and UntarStream round-trip a file and a directory", async () => {
  const content = new TextEncoder().encode("hello\n");
  const input: TarStreamInput[] = [
    { type: "directory", path: "d/" },
    {
      type: "file",
      path: "d/hello",
      size: content.length,
      readable: ReadableStream.from([content]),
      options: { mode: 0o640, mtime: 7 },
    },
  ];

  const entries: [string, number, number, string][] = [];
  const archive = ReadableStream.from(input).pipeThrough(new TarStream());
  for await (const { path, header, readable } of archive.pipeThrough(new UntarStream())) {
    entries.push([path, header.mode, header.mtime, readable ? await toText(readable) : ""]);
  }

  assertEquals(entries.map(([path]) => path), ["d/", "d/hello"]);
  assertEquals(entries[1], ["d/hello", 0o640, 7, "hello\n"]);
});

Deno.test("assert() narrows types, and toBytes() and exists() work", async () => {
  const value: unknown = "x";
  assert(typeof value === "string");
  const narrowed: string = value;

  assertEquals(await toBytes(new Blob([narrowed]).stream()), new Uint8Array([120]));
  assert(await exists(join(fromFileUrl(new URL(".", import.meta.url)), "_std")));
});
