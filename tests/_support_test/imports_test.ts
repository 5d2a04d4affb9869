import { assertEquals } from "@std/assert";
import { importsOf, rewriteImports } from "../_support/imports.ts";

Deno.test.each([
  { source: 'import { a } from "./a.ts";', imports: ["./a.ts"] },
  { source: 'import {\n  a,\n  b,\n} from "./a.ts";', imports: ["./a.ts"] },
  { source: 'import type { A } from "../b/mod.ts";', imports: ["../b/mod.ts"] },
  { source: 'import "./effect.ts";', imports: ["./effect.ts"] },
  { source: 'import json from "../deno.json" with { type: "json" };', imports: ["../deno.json"] },
  { source: 'export * from "./a.ts";\nexport { b } from "./b.ts";', imports: ["./a.ts", "./b.ts"] },
  { source: 'const { a } = await import("./a.ts");', imports: ["./a.ts"] },
  { source: 'let a: import("./a.ts").A;', imports: ["./a.ts"] },
  {
    source: 'new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });',
    imports: ["./worker.ts"],
  },
  { source: '/**\n * ```ts\n * import { a } from "@x/oci";\n * ```\n */\n', imports: [] },
  { source: '// import { a } from "./a.ts";', imports: [] },
  { source: 'const accept = "*/*";\nexport * from "./a.ts";', imports: ["./a.ts"] },
])("importsOf() reads $source", ({ source, imports }) => {
  assertEquals(importsOf(source), imports);
});

Deno.test.each([
  { source: 'import a from "bcryptjs";', out: 'import a from "npm:bcryptjs@^3.0.3";' },
  { source: 'export * from "@std/path";', out: 'export * from "jsr:@std/path@^1.0.0";' },
  { source: 'import("@std/path/posix");', out: 'import("jsr:@std/path@^1.0.0/posix");' },
  { source: 'import "deno-std/fs/mod.js";', out: 'import "npm:deno-std@1.3.0/fs/mod.js";' },
  {
    source: 'import {\n  a,\n} from "bcryptjs";',
    out: 'import {\n  a,\n} from "npm:bcryptjs@^3.0.3";',
  },
  { source: 'import a from "node:zlib";', out: 'import a from "node:zlib";' },
  { source: 'import a from "./bcryptjs.ts";', out: 'import a from "./bcryptjs.ts";' },
  { source: 'import a from "bcryptjs2";', out: 'import a from "bcryptjs2";' },
])("rewriteImports() turns $source into $out", ({ source, out }) => {
  const imports = {
    "bcryptjs": "npm:bcryptjs@^3.0.3",
    "@std/path": "jsr:@std/path@^1.0.0",
    "deno-std/": "npm:/deno-std@1.3.0/",
  };

  assertEquals(rewriteImports(source, imports), out);
});
