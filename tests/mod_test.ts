import { assert, assertEquals } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import * as oci from "../mod.ts";
import { ROOT, run } from "./_support/process.ts";

/** The modules whose values `mod.ts` exports. */
async function exportedModules(): Promise<readonly string[]> {
  const source = await Deno.readTextFile(join(ROOT, "mod.ts"));
  return [...source.matchAll(/^export \{[^}]*\} from "(.+)";$/gm)].map(([, path = ""]) =>
    join(ROOT, path)
  );
}

/** A name that an entry point exports, in the output of `deno doc --json`. */
interface Documented {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}

interface Declaration {
  readonly kind: string;
  readonly location: { readonly filename: string };
  readonly jsDoc?: { readonly tags?: readonly { readonly kind: string; readonly doc?: string }[] };
}

/** Returns the documented names of each entry point, by its URL. */
async function documentedNames(): Promise<ReadonlyMap<string, readonly Documented[]>> {
  const config = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const paths = Object.values<string>(config.exports).map((path) => toFileUrl(join(ROOT, path)));
  return new Map(
    await Promise.all(paths.map(async ({ href }) => {
      // With several entry points at once, a name that one takes from another is only a reference.
      const { code, stdout, stderr } = await run(Deno.execPath(), ["doc", "--json", href], {
        cwd: ROOT,
        inheritEnv: true,
      });
      assertEquals(code, 0, stderr);
      const { nodes }: { readonly nodes: Record<string, { readonly symbols: Documented[] }> } = JSON
        .parse(stdout);
      return [href, nodes[href]?.symbols ?? []] as const;
    })),
  );
}

const documented = await documentedNames();

Deno.test("an entry point documents the values that can be imported from it, and no others", async () => {
  const kinds = ["class", "enum", "function", "variable"];
  assertEquals(documented.size, 6);

  for (const [href, symbols] of documented) {
    const values = symbols.filter(({ declarations }) => {
      return declarations.some(({ kind }) => kinds.includes(kind));
    });
    const names = Object.keys(await import(href));
    assertEquals(values.map(({ name }) => name).sort(), names.sort(), href);
  }
});

Deno.test("a name means the same at every entry point", () => {
  const places = new Map<string, Set<string>>();
  for (const { name, declarations } of [...documented.values()].flat()) {
    const files = places.getOrInsert(name, new Set());
    for (const { location } of declarations) files.add(location.filename);
  }

  assertEquals([...places].filter(([, files]) => files.size > 1), []);
});

Deno.test("the tags in the documentation have forms that JSR shows", () => {
  // It shows a default only in braces, without the text after them.
  const hidden: unknown[] = [];
  JSON.stringify([...documented.values()], (_, value) => {
    const { kind, value: text, doc } = Object(value);
    if (kind === "unsupported") hidden.push(text);
    if (kind === "default" && (doc !== undefined || text.includes("{"))) hidden.push(value);
    return value;
  });

  assertEquals(hidden, []);
});

Deno.test("the members of a union are described in the comment of its type, which JSR shows", async () => {
  const symbols = [...documented.values()].flat();
  const files = symbols.flatMap(({ declarations }) => declarations.map(({ location }) => location));
  const sources = new Set(files.map(({ filename }) => filename));

  for (const source of sources) {
    assert(!/\*\/\n +\| /.test(await Deno.readTextFile(new URL(source))), source);
  }
});

Deno.test("each class and function of an entry point has an example that runs", () => {
  // `documentation_test.ts` runs the examples.
  const hasExample = ({ jsDoc }: Declaration) =>
    jsDoc?.tags?.some(({ kind, doc = "" }) =>
      kind === "example" && /^```ts(?!.* ignore)/m.test(doc)
    );
  const missing = [...documented.values()].flat().filter(({ declarations }) => {
    const kinds = declarations.map(({ kind }) => kind);
    return (kinds.includes("class") || kinds.includes("function")) &&
      !declarations.some(hasExample);
  });

  assertEquals([...new Set(missing.map(({ name }) => name))], []);
});

Deno.test("@x/oci exports at most sixty values", () => {
  assert(Object.keys(oci).length <= 60, `${Object.keys(oci).length} values`);
});

Deno.test("@x/oci exports every error that its exports throw", async () => {
  const sources = await Promise.all(
    (await exportedModules()).map((path) => Deno.readTextFile(path)),
  );
  const thrown = sources.flatMap((source) => [...source.matchAll(/@throws \{([\w.]+)\}/g)])
    .map(([, name = ""]) => name);

  const missing = thrown.filter((name) => {
    return !(name in oci) && !(name in globalThis) && !name.startsWith("Deno.errors.");
  });

  assertEquals([...new Set(missing)], []);
});

Deno.test("@x/oci exports the errors of unpacking as classes to compare with", () => {
  assertEquals(
    [oci.UnpackError, oci.ExtractError, oci.PathEscapeError, oci.OwnershipError, oci.BundleError]
      .map(({ prototype }) => prototype instanceof oci.OciError),
    [true, true, true, true, true],
  );
});
