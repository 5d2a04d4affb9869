import { assertEquals, assertRejects } from "@std/assert";
import { walk } from "@std/fs";
import { join, relative } from "@std/path";
import { openFileTree } from "../layer/mod.ts";
import { load, unpack } from "../mod.ts";
import { readCertificates } from "../registry/mod.ts";
import {
  ContentStore,
  listBundles,
  overlaySupported,
  removeBundle,
  runBundle,
  writeSpec,
} from "../store/mod.ts";
import { withoutComments } from "./_support/imports.ts";
import { ROOT } from "./_support/process.ts";

const LIBRARY = ["spec", "layer", "registry", "store", "cache"];

/** Files that read the texts of Deno, which has neither codes nor fields for these facts. */
const FOREIGN: Readonly<Record<string, string>> = {
  "store/host/system_error.ts": "a missing permission",
  "registry/http1/certificate_error.ts": "the version of a certificate",
  "registry/transport/_node_exchange.ts": "a failed request",
  "registry/transport/network_failure.ts": "a failed request",
};

/** Use of the text of an error: a method or a regular expression on `message`. */
const PARSES = [
  /\b(?:message|problem|stack)\b\)?\s*\??\.\s*(?:at|charAt|codePointAt|endsWith|includes|indexOf|lastIndexOf|match|matchAll|replace|replaceAll|search|slice|split|startsWith|substring|substr)\(/,
  /\.(?:test|exec)\(\s*(?:\(?[\w.]+(?: as \w+\))?\.)?(?:message|problem|stack)\b/,
  /String\((?:error|cause|thrown)\)\s*\./,
];

interface Line {
  readonly path: string;
  readonly text: string;
}

async function linesOf(folders: readonly string[]): Promise<readonly Line[]> {
  const lines: Line[] = [];
  for (const folder of folders) {
    for await (const entry of walk(join(ROOT, folder), { exts: ["ts"] })) {
      const source = withoutComments(await Deno.readTextFile(entry.path));
      const path = relative(ROOT, entry.path).replaceAll("\\", "/");
      for (const text of source.split("\n")) lines.push({ path, text });
    }
  }
  return lines;
}

function isParsed({ text }: Line): boolean {
  return PARSES.some((regexp) => regexp.test(text));
}

Deno.test.each([
  'error.message.replace(/; .*/, "")',
  "(error as Error).message.slice(3)",
  '/; /.test(cause.message) ? "" : "x"',
  "REGEXP.exec(message)",
  'wrong.problem.includes("x")',
  'String(error).split(": ")',
])("the search for parsed errors finds %s", (text) => {
  assertEquals(isParsed({ path: "", text }), true);
});

Deno.test("the command line parses no text of an error", async () => {
  const found = (await linesOf(["cli"])).filter(isParsed);

  assertEquals(found.map(({ path, text }) => `${path}: ${text.trim()}`), []);
});

Deno.test("only the module that renders errors shows their messages", async () => {
  const found = (await linesOf(["cli"])).filter(({ text }) => {
    return /\b(?:error|cause|thrown|one|reason)\)?\.message\b|\{[^{}]*\bmessage\b[^{}]*\} = /
      .test(text);
  });

  assertEquals([...new Set(found.map(({ path }) => path))], ["cli/frame/failure.ts"]);
});

Deno.test("the library parses no text of its own errors", async () => {
  const found = (await linesOf(LIBRARY)).filter((line) =>
    isParsed(line) && !(line.path in FOREIGN)
  );

  assertEquals(found.map(({ path, text }) => `${path}: ${text.trim()}`), []);
});

Deno.test("the library names no option of the command line", async () => {
  // Sentences, in contrast to the arguments of programs such as runtimes. Permissions are Deno's.
  const found = (await linesOf(LIBRARY)).filter(({ text }) => {
    return /["'`][^"'`]*[a-z,:;] --(?!allow-)[a-z][^"'`]*["'`]/.test(text) ||
      /["'`]--(?!allow-)[a-z-]+ [^"'`]*["'`]/.test(text);
  });

  assertEquals(found.map(({ path, text }) => `${path}: ${text.trim()}`), []);
});

/** Files with an error that no caller can cause. */
const INTERNAL: ReadonlySet<string> = new Set([
  "registry/downloads/blob_stream.ts",
  "registry/endpoints/_detect_protocol.ts",
  "registry/endpoints/sources.ts",
]);

Deno.test("the library explains arguments out of bounds with a code", async () => {
  const found = (await linesOf(LIBRARY)).filter(({ path, text }) => {
    return /new RangeError\(/.test(text) && !INTERNAL.has(path);
  });

  assertEquals(found.map(({ path, text }) => `${path}: ${text.trim()}`), []);
});

const CALLS: Readonly<Record<string, () => unknown>> = {
  load: () => load(""),
  unpack: () => unpack("localhost:1/a", ""),
  readCertificates: () => readCertificates(""),
  openFileTree: () => openFileTree(""),
  "ContentStore.open": () => ContentStore.open(""),
  listBundles: () => listBundles(""),
  removeBundle: () => removeBundle("", "b"),
  overlaySupported: () => overlaySupported(""),
  runBundle: () => runBundle(""),
  writeSpec: () => writeSpec("", { ociVersion: "1.2.0" }),
};

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name}() rejects an empty path with a code`, async () => {
    const error = await assertRejects(async () => await call(), RangeError, 'must not be ""');

    assertEquals("code" in error && error.code, "invalid-argument");
  });
}
