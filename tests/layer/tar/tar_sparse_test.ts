import { assert, assertEquals, assertThrows } from "@std/assert";
import { TarError } from "../../../layer/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import { file, sparse, type SparseFormat, tar, toUint8Array } from "../../_support/tar.ts";
import { readTar } from "./_read_tar.ts";

const RUNS = [
  { offset: 0, data: "start" },
  { offset: 100_000, data: "middle" },
  ...Array.from(
    { length: 60 },
    (_, index) => ({ offset: 200_000 + index * 1000, data: `${index}` }),
  ),
];

for (const format of ["gnu", "pax-0.0", "pax-0.1", "pax-1.0"] as const) {
  Deno.test(`TarParser reads sparse files: ${format}`, () => {
    const size = 1_000_000;
    const expected = new Uint8Array(size);
    for (const { offset, data } of RUNS) expected.set(toUint8Array(data), offset);
    const archive = tar(sparse("s", size, RUNS, format), file("next", "x"));

    for (const chunkSizes of [[65_536], [1, 3, 511]]) {
      const [first, second] = readTar(archive, { chunkSizes });

      assertEquals([first?.header.path, first?.header.size], ["s", size]);
      assertEquals(
        first?.header.segments,
        RUNS.map(({ offset, data }) => ({ offset, size: data.length })),
      );
      assertEquals(first?.content, expected);
      assertEquals(second?.content, toUint8Array("x"));
    }
  });

  Deno.test(`TarParser reads sparse files without content: ${format}`, () => {
    const [first, second] = readTar(tar(sparse("s", 5000, [], format), file("next", "x")));

    assertEquals([first?.header.size, first?.header.segments], [5000, []]);
    assertEquals(second?.content, toUint8Array("x"));
  });

  Deno.test(`TarParser limits the runs of sparse files: ${format}`, () => {
    const archive = tar(sparse("s", 1_000_000, RUNS, format));

    // GNU tar ends the map with an empty run.
    readTar(archive, { maxSegments: RUNS.length + 1 });
    const maxSegments = RUNS.length;
    assertThrows(() => readTar(archive, { maxSegments }), LimitError, '"maxSegments"');
  });
}

const BAD_MAPS: readonly { what: string; format: SparseFormat; from: string; to: string }[] = [
  { what: "overlapping runs", format: "pax-0.1", from: "10,2,20,2", to: "10,2,11,2" },
  { what: "runs out of order", format: "pax-0.1", from: "10,2,20,2", to: "20,2,10,2" },
  { what: "a run beyond the end", format: "pax-0.1", from: "20,2", to: "99,2" },
  { what: "more content than there is", format: "pax-0.1", from: "20,2", to: "20,9" },
  { what: "no number", format: "pax-0.1", from: "20,2", to: "20,x" },
  { what: "a negative number", format: "pax-0.1", from: "10,2", to: "-9,2" },
  { what: "another count", format: "pax-0.1", from: "numblocks=3", to: "numblocks=4" },
  { what: "two offsets", format: "pax-0.0", from: "sparse.numbytes=2", to: "sparse.offset=222" },
  { what: "overlapping runs", format: "pax-1.0", from: "20\n2\n", to: "11\n2\n" },
  { what: "no number", format: "pax-1.0", from: "20\n2\n", to: "2x\n2\n" },
  { what: "an empty line", format: "pax-1.0", from: "20\n2\n", to: "\n20\n2" },
  { what: "no end", format: "pax-1.0", from: "3\n10\n", to: "9\n10\n" },
  { what: "another version", format: "pax-1.0", from: "minor=0", to: "minor=1" },
];

for (const { what, format, from, to } of BAD_MAPS) {
  Deno.test(`TarParser rejects sparse files: ${format} with ${what}`, () => {
    const runs = [{ offset: 10, data: "ab" }, { offset: 20, data: "cd" }];
    const archive = tar(sparse("s", 100, runs, format));
    const latin1 = Array.from(archive, (byte) => String.fromCharCode(byte)).join("");
    assert(latin1.includes(from) && from.length === to.length);

    const damaged = Uint8Array.from(latin1.replace(from, to), (unit) => unit.charCodeAt(0));

    assertThrows(() => readTar(damaged), TarError, "sparse");
  });
}
