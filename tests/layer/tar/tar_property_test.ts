import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { encodeName } from "../../../layer/mod.ts";
import { OciError } from "../../../spec/mod.ts";
import {
  concat,
  dir,
  type EntryOptions,
  file,
  paxHeader,
  sparse,
  symlink,
  tar,
  toUint8Array,
} from "../../_support/tar.ts";
import { readTar, readTarInto, repairChecksum } from "./_read_tar.ts";

const DIALECTS = ["pax", "gnu"] as const;

/** Any bytes that Linux accepts as a name, of any length that tar supports. */
const name = fc.oneof(
  fc.uint8Array({ min: 1, minLength: 1, maxLength: 255 })
    .filter((bytes) => bytes.every((byte) => byte !== 0x2f)),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 })
    .map((text) => toUint8Array(text.replaceAll(/[\0/]/g, "_"))),
);

const metadata = fc.record({
  mode: fc.nat(0o7777),
  uid: fc.nat(2 ** 32 - 2),
  gid: fc.nat(2 ** 32 - 2),
  mtime: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  dialect: fc.constantFrom(...DIALECTS),
});

const written = fc.tuple(name, metadata, fc.uint8Array({ maxLength: 2000 }), fc.nat(2)).map(
  ([name, options, content, kind]): Written => {
    if (kind === 0) return { bytes: dir(name, options), name, options, content: undefined };
    if (kind === 1) return { bytes: file(name, content, options), name, options, content };
    return { bytes: symlink(name, "target", options), name, options, content: undefined };
  },
);

interface Written {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly name: Uint8Array;
  readonly options: EntryOptions;
  readonly content: Uint8Array | undefined;
}

/** Sizes of the chunks of an archive. */
const chunkSizes = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 8 });

Deno.test("TarParser reads written archives in any chunks", () => {
  const entries = fc.array(written, { maxLength: 6 });

  fc.assert(fc.property(entries, chunkSizes, (entries, chunkSizes) => {
    const archive = tar(...entries.map(({ bytes }) => bytes));

    const read = readTar(archive, { chunkSizes, maxNameBytes: 256 });

    assertEquals(read.length, entries.length);
    for (const [index, { name, options, content }] of entries.entries()) {
      const { header, content: readContent } = read[index] ?? {};
      assert(header !== undefined);
      const path = header.type === "directory" ? concat(name, toUint8Array("/")) : name;
      assertEquals(encodeName(header.path), path.at(-2) === 0x2f ? name : new Uint8Array(path));
      const { mode, uid, gid, mtime } = header;
      assertEquals({ mode, uid, gid, mtime }, {
        mode: options.mode,
        uid: options.uid,
        gid: options.gid,
        mtime: options.mtime,
      });
      assertEquals(readContent, new Uint8Array(content ?? []));
    }
    assertEquals(readTar(archive, { chunkSizes: [archive.length], maxNameBytes: 256 }), read);
  }));
});

/** Segments of a sparse file, as distances and sizes. */
const runs = fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 700 })), { maxLength: 40 });

Deno.test("TarParser reads written sparse files in any chunks", () => {
  const format = fc.constantFrom("gnu", "pax-0.0", "pax-0.1", "pax-1.0");

  fc.assert(
    fc.property(runs, fc.nat(5000), format, chunkSizes, (runs, tail, format, chunkSizes) => {
      let end = 0;
      const placed = runs.map(([distance, size], index) => {
        const offset = end + distance;
        end = offset + size;
        return { offset, data: new Uint8Array(size).fill(index + 1) };
      });
      const expected = new Uint8Array(end + tail);
      for (const { offset, data } of placed) expected.set(data, offset);

      const [read, next] = readTar(tar(sparse("s", end + tail, placed, format), file("n", "x")), {
        chunkSizes,
      });

      assertEquals(read?.content, expected);
      assertEquals(next?.content, toUint8Array("x"));
    }),
  );
});

Deno.test("TarParser only fails with typed errors for any bytes", () => {
  const header = fc.tuple(written, fc.nat(511), fc.nat(255))
    .map(([{ bytes }, at, byte]) => {
      const damaged = bytes.with(at, byte);
      repairChecksum(damaged.subarray(0, 512));
      return damaged;
    });
  const records = fc.dictionary(
    fc.constantFrom("path", "size", "mtime", "uid", "GNU.sparse.major", "GNU.sparse.map", "x"),
    fc.string({ unit: fc.constantFrom(..."0123456789,.-\0\n=a"), maxLength: 12 }),
  ).map((records) => paxHeader(records));
  const blocks = fc.array(
    fc.oneof(header, records, written.map(({ bytes }) => bytes), fc.uint8Array({ maxLength: 600 })),
    { maxLength: 6 },
  );

  fc.assert(
    fc.property(blocks, chunkSizes, (blocks, chunkSizes) => {
      try {
        readTarInto([], concat(...blocks), { chunkSizes, maxContent: 65_536 });
      } catch (error) {
        assert(error instanceof OciError, `${error}`);
      }
    }),
    { numRuns: 1000 },
  );
});
