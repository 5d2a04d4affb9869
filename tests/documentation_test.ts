/**
 * Runs each example in the documentation as a test. `deno test --doc` does so, too, but starts a
 * worker for each example, which takes thirty times as long.
 *
 * @module
 */
import { assert } from "@std/assert";
import { walk } from "@std/fs";
import { relative, toFileUrl } from "@std/path";
import { openExampleSetting } from "./_support/example_setting.ts";
import { ROOT } from "./_support/process.ts";

/** An example, as a module. */
interface Example {
  /** File and number of the first line of the code. */
  readonly name: string;
  readonly code: string;
}

const COMMENT = /^[ \t]*\/\*\*[^]*?\*\//gm;
const BLOCK = /^```(?:ts|js)\b(.*)\n([^]*?)^```$/gm;

/** Reads the examples of a Markdown file, or those in the doc comments of a module. */
async function readExamples(path: string): Promise<readonly Example[]> {
  const text = await Deno.readTextFile(path);
  // Without the rest of the module, but with the same lines.
  const prose = path.endsWith(".md") ? text : onlyComments(text);
  return [...prose.matchAll(BLOCK)].flatMap(([, attributes = "", code = ""], i, all) => {
    if (attributes.split(" ").includes("ignore")) return [];
    const line = prose.slice(0, all[i]?.index).split("\n").length + 1;
    return [{ name: `${relative(ROOT, path)}:${line}`, code }];
  });
}

function onlyComments(text: string): string {
  let prose = "";
  let end = 0;
  for (const { 0: comment, index } of text.matchAll(COMMENT)) {
    prose += text.slice(end, index).replaceAll(/[^\n]+/g, "");
    prose += comment.replaceAll(/^[ \t]*(?:\/\*\*|\*\/|\*) ?/gm, "");
    end = index + comment.length;
  }
  return prose;
}

async function allExamples(): Promise<readonly Example[]> {
  const examples: Example[] = [];
  const skip = [/[\\/](?:node_modules|\.git)$/];
  for await (const { path } of walk(ROOT, { includeDirs: false, skip })) {
    if (/\.(?:ts|md)$/.test(path)) examples.push(...await readExamples(path));
  }
  return examples;
}

const examples = await allExamples();
const setting = await openExampleSetting();
Deno.test.afterAll(async () => await setting[Symbol.asyncDispose]());

Deno.test("the README and the modules have examples", () => {
  for (const start of ["README.md:", "registry/client/", "store/content/"]) {
    assert(examples.some(({ name }) => name.startsWith(start)), start);
  }
});

for (const { name, code } of examples) {
  const module = await setting.prepare(name.replaceAll(/[^a-z0-9.]/gi, "_"), code);
  Deno.test(name, async () => {
    await import(toFileUrl(module).href);
  });
}
