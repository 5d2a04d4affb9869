import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { LimitError } from "../../../spec/errors.ts";
import { StoreFileError } from "../../../store/host/open_regular_file.ts";
import { readJsonFile, readSmallFile, readSmallText } from "../../../store/host/read_small_file.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { OTHER_USER, PLANTED_FILES, plantedTest } from "../_planted.ts";

const OPTIONS = { maxBytes: 1024 };

plantedTest(PLANTED_FILES, (what) => `readSmallFile() refuses ${what}`, async ({ plant }) => {
  await using directory = await makeTempDir();
  const [path, aside] = [directory.join("file"), directory.join("aside")];
  await Deno.mkdir(aside);
  await plant(path, aside);

  const error = assertThrows(() => readSmallFile(path, OPTIONS), StoreFileError);

  assertEquals(error.path, path);
  assertStringIncludes(error.message, `"${path}": it `);
});

Deno.test("readSmallFile() returns undefined if there is no file", async () => {
  await using directory = await makeTempDir();
  await Deno.writeTextFile(directory.join("file"), "");

  assertEquals(readSmallFile(directory.join("none"), OPTIONS), undefined);
  assertEquals(readSmallFile(directory.join("none/none"), OPTIONS), undefined);
  assertEquals(readSmallFile(directory.join("file/none"), OPTIONS), undefined);
});

Deno.test("readSmallFile() reads up to the limit", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("file");
  for (const size of [0, 1, 1023, 1024]) {
    await Deno.writeFile(path, new Uint8Array(size).fill(7));

    const bytes = readSmallFile(path, OPTIONS);

    assertEquals(bytes, new Uint8Array(size).fill(7));
  }
});

Deno.test.each([1025, 2 ** 40])(
  "readSmallFile() refuses a sparse file of %s bytes",
  async (size) => {
    await using directory = await makeTempDir();
    const path = directory.join("file");
    await Deno.writeTextFile(path, "");
    await Deno.truncate(path, size);

    const error = assertThrows(() => readSmallFile(path, OPTIONS), LimitError);

    assertStringIncludes(error.message, path);
  },
);

linuxTest("readSmallFile() reads a file that hides its size, up to the limit", () => {
  const path = "/proc/self/status";

  const bytes = readSmallFile(path, { maxBytes: 65536 });

  assert(bytes !== undefined && bytes.length > 100);
  assertThrows(() => readSmallFile(path, { maxBytes: 100 }), LimitError);
});

Deno.test("readSmallFile() reads a foreign file with any owner and with hard links", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("file");
  await Deno.writeTextFile(path, "text");
  await Deno.link(path, directory.join("other"));
  if (Deno.build.os !== "windows" && Deno.uid() === 0) {
    await Deno.chown(path, OTHER_USER, OTHER_USER);
  }

  assertEquals(readSmallText(path, { ...OPTIONS, foreign: true }), "text");
  assertThrows(() => readSmallText(path, OPTIONS), StoreFileError);
});

Deno.test("readJsonFile() reads an object", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("file");
  await Deno.writeTextFile(path, '{"a":[1]}\n');

  assertEquals(readJsonFile(path, OPTIONS), { a: [1] });
  assertEquals(readJsonFile(directory.join("none"), OPTIONS), undefined);
});

Deno.test.each([
  { text: "null", fault: "shape" },
  { text: "[]", fault: "shape" },
  { text: '"text"', fault: "shape" },
  { text: "7", fault: "shape" },
  { text: "", fault: "syntax" },
  { text: "{", fault: "syntax" },
  { text: "\0\0\0\0", fault: "syntax" },
])("readJsonFile() rejects $text with the path and advice", async ({ text, fault }) => {
  await using directory = await makeTempDir();
  const path = directory.join("file");
  await Deno.writeTextFile(path, text);

  const error = assertThrows(
    () => readJsonFile(path, { ...OPTIONS, advice: "Call home" }),
    StoreFileError,
  );

  assertEquals([error.fault, error.path], [fault, path]);
  assertStringIncludes(error.message, `"${path}": `);
  assertStringIncludes(error.message, ". Call home");
});

Deno.test("readJsonFile() limits the number of values", async () => {
  await using directory = await makeTempDir({ large: true });
  const path = directory.join("index.json");
  await Deno.writeTextFile(path, `{"manifests":[${"{},".repeat(2_000_000)}{}]}`);

  const error = assertThrows(() => readJsonFile(path, { maxBytes: 2 ** 26 }), LimitError);

  assertEquals(error.limit, "JSON values");
  assertStringIncludes(error.message, path);
});
