import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { createHash } from "node:crypto";
import { encodeName, openDecompressor, TarError, type TarLimits } from "../../../layer/mod.ts";
import { LimitError, OciError } from "../../../spec/mod.ts";
import { concat } from "../../_support/bytes.ts";
import { testUnless } from "../../_support/skip.ts";
import { type ReadEntry, readTar, readTarInto, repairChecksum } from "./_read_tar.ts";

/** Archives of the test suites of other tar readers, and the expected entries. */
const FOLDER = fromFileUrl(new URL("../../../../shared/data/tar", import.meta.url));

interface ExpectedEntry {
  readonly type: string;
  readonly name?: string | { readonly length: number };
  readonly nameHex?: string;
  readonly linkname?: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: string;
  readonly size: number;
  readonly sha256?: string;
  readonly dev?: readonly number[];
  readonly xattrsHex?: Readonly<Record<string, string>>;
  readonly meta?: boolean;
}

interface Expectation {
  readonly verdict: "accept" | "reject" | "either" | "reject-or-lenient";
  readonly entries: readonly ExpectedEntry[];
}

/**
 * Archives that readers disagree on, and that this one reads. It rejects all others, because the
 * intended content of a damaged layer is unknown.
 */
const READ: ReadonlySet<string> = new Set([
  "libarchive-tar_timestamp_overflow.tar",
  "tarstream-incomplete.tar",
]);

/**
 * Global pax records other than names apply to all later entries, as in POSIX; the expectations
 * leave that open.
 */
const GLOBAL: Readonly<Record<string, readonly Partial<ExpectedEntry>[]>> = {
  "go-pax-global-records.tar": [
    { mtime: "1500000000.000000000" },
    { mtime: "1500000000.000000000" },
    { mtime: "1500000000.000000000" },
    {},
  ],
};

/** Readers may have limits; an extractor must. */
const GENEROUS: TarLimits = {
  maxPathBytes: Infinity,
  maxNameBytes: Infinity,
  maxExtendedHeaderBytes: 64 * 1024 * 1024,
};

const TYPES: Readonly<Record<string, string>> = {
  dir: "directory",
  link: "hardlink",
  char: "character-device",
  block: "block-device",
};

const expectations = readExpectations();
const corpusTest = testUnless(
  expectations === undefined
    ? "the archives of other programs are not beside this checkout"
    : undefined,
);

for (const [name, { verdict, entries }] of Object.entries(expectations ?? {})) {
  const isRead = verdict === "accept" || READ.has(name);
  Deno.test(`TarParser ${isRead ? "reads" : "rejects"} ${name}`, async () => {
    const archive = await readArchive(name);

    if (isRead) {
      const expected = entries.filter(({ meta }) => meta !== true)
        .map((entry, index) => ({ ...entry, ...GLOBAL[name]?.[index] }));
      const read = readTar(archive, GENEROUS);
      assertEquals(read.length, expected.length);
      for (const [index, entry] of expected.entries()) compareEntries(read[index], entry);
      assertEquals(readTar(archive, { ...GENEROUS, chunkSizes: [512, 1, 700, 4096] }), read);
    } else {
      const error = assertThrows(() => readTar(archive));
      assertEquals(error instanceof TarError || error instanceof LimitError, true, `${error}`);
    }
  });

  Deno.test(`TarParser survives damage to ${name}`, async () => {
    const archive = await readArchive(name);
    const random = randomNumbers(name);

    for (let turn = 0; turn < 40; turn++) {
      const damaged = archive.slice(0, turn % 4 === 0 ? random(archive.length) : undefined);
      for (let count = 0; count < 1 + turn % 3 && damaged.length > 0; count++) {
        // Headers are where damage has consequences, and most are at the beginning.
        const at = random(Math.min(damaged.length, turn % 2 === 0 ? 2048 : Infinity));
        damaged[at] = random(256);
        const block = damaged.subarray(at - at % 512, at - at % 512 + 512);
        // Otherwise most damage would only be found by the checksum.
        if (turn % 3 !== 0 && block.length === 512) repairChecksum(block);
      }
      try {
        readTarInto([], damaged, { maxContent: 0 });
      } catch (error) {
        assertEquals(error instanceof OciError, true, `${error}`);
      }
    }
  });
}

corpusTest("TarParser enforces its limits where other readers do not", async () => {
  const archive = await readArchive("nodetar-excessively-deep.tar");

  assertThrows(() => readTar(archive), LimitError, '"maxPathBytes"');
});

function readExpectations(): Readonly<Record<string, Expectation>> | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(join(FOLDER, "expect.json"))).files;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function readArchive(name: string): Promise<Uint8Array> {
  const bytes = await Deno.readFile(join(FOLDER, name));
  if (!name.endsWith(".gz")) return bytes;
  const parts: Uint8Array[] = [];
  using decompressor = openDecompressor();
  decompressor.push(bytes, (part) => void parts.push(part.slice()));
  decompressor.finish();
  return concat(...parts);
}

function compareEntries(read: ReadEntry | undefined, expected: ExpectedEntry): void {
  assert(read !== undefined);
  const { header, content } = read;
  const path = encodeName(header.path.replace(/\/$/, ""));
  const isFile = expected.type === "file";
  const isDevice = expected.type === "char" || expected.type === "block";

  assertEquals(header.type, TYPES[expected.type] ?? expected.type);
  if (expected.nameHex !== undefined) assertEquals(path.toHex(), expected.nameHex);
  else if (typeof expected.name !== "string") assertEquals(path.length, expected.name?.length);
  else assertEquals(path, encodeName(expected.name.replace(/\/$/, "")));
  assertEquals(header.linkname, expected.linkname ?? "");
  assertEquals(header.mode, parseInt(expected.mode, 8) & 0o7777);
  assertEquals([header.uid, header.gid], [expected.uid, expected.gid]);
  assertEquals(`${header.mtime}.${String(header.mtimeNs).padStart(9, "0")}`, expected.mtime);
  assertEquals(header.size, isFile ? expected.size : 0);
  if (isDevice) assertEquals([header.devmajor, header.devminor], expected.dev);
  if (isFile && expected.sha256 !== undefined) {
    const hash = createHash("sha256").update(content ?? new Uint8Array());
    assertEquals(hash.digest("hex"), expected.sha256);
  }
  if (expected.xattrsHex !== undefined) {
    const xattrs = [...header.xattrs].map(([key, value]) => [key, value.toHex()]);
    assertEquals(Object.fromEntries(xattrs), expected.xattrsHex);
  }
}

/** Returns a generator of numbers below a bound, which are the same for the same seed. */
function randomNumbers(seed: string): (bound: number) => number {
  let state = createHash("sha256").update(seed).digest().readUInt32LE() || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % Math.max(1, bound);
  };
}
