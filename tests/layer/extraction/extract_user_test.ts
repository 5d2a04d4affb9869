import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { ExtractReport } from "../../../layer/mod.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { rootTest } from "../../_support/skip.ts";
import {
  device,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { describeTree, readTree } from "../../_support/tree.ts";

const SCRIPT = fromFileUrl(new URL("./_extract_as_user.ts", import.meta.url));
const USER = 65534;
const CAPABILITY = new Uint8Array([1, 0, 0, 2, 0, 32, ...new Array(14).fill(0)]);

/** Entries that are difficult for an unprivileged user. */
const LAYERS = [
  tar(
    dir("."),
    file("zero", "z", { mode: 0, uid: 5 }),
    hardlink("also-zero", "zero"),
    dir("read-only", { mode: 0o555 }),
    file("read-only/su", "x", { mode: 0o4755, uid: 3 }),
    dir("closed", { mode: 0 }),
    file("closed/f", "secret", { mode: 0 }),
    dir("closed/sub", { mode: 0 }),
    file("closed/sub/g", "g"),
    device("null", "character", 1, 3, { mode: 0o666 }),
    fifo("pipe"),
    symlink("link", "/etc/passwd", { uid: 9 }),
    dir("tmp", { mode: 0o1777 }),
    file("ping", "c", {
      mode: 0o444,
      xattrs: { "security.capability": CAPABILITY, "user.a": "1" },
    }),
  ),
  tar(
    file("read-only/new", "y"),
    file("closed/sub/h", "h"),
    whiteout("closed/f"),
    hardlink("read-only/g", "closed/sub/g"),
  ),
  tar(whiteout("closed"), opaque("read-only"), file("read-only/last", "n")),
];

interface Outcome {
  readonly result: ExtractReport & { readonly error?: Record<string, unknown> };
  readonly warnings: readonly string[];
  readonly tree: Readonly<Record<string, string>>;
}

/** Extracts layers in a separate process, as a user, with some permissions. */
async function extractAs(
  uid: number | undefined,
  layers: readonly Uint8Array[],
  options: Record<string, unknown>,
  permissions: readonly string[] = ["-A"],
): Promise<Outcome> {
  await using temp = await makeTempDir();
  await Deno.chmod(temp.path, 0o777);
  const paths = layers.map((_, i) => temp.join(`${i}.tar`));
  await Promise.all(layers.map((layer, i) => Deno.writeFile(paths[i] ?? "", layer)));
  const root = temp.join("root");
  // A working directory that is closed to the user must not matter.
  const cwd = temp.join("closed");
  await Deno.mkdir(cwd, { mode: 0o700 });
  const { code, stdout, stderr } = await run(Deno.execPath(), [
    ...["run", "--quiet", "--no-prompt", `--config=${ROOT}/deno.json`, ...permissions, SCRIPT],
    ...[uid === undefined ? "" : String(uid), root, JSON.stringify(options), ...paths],
  ], { cwd, env: await denoEnvironment() });
  assertEquals(code, 0, stderr);
  const outcome = JSON.parse(stdout);
  const isThere = await Deno.lstat(root).then(() => true, () => false);
  return { ...outcome, tree: isThere ? describeTree(readTree(root), true) : {} };
}

const AFTER_TWO = {
  ".": "dir",
  "also-zero": 'file 0 "z"',
  "closed": "dir 0",
  "closed/sub": "dir 0",
  "closed/sub/g": 'file "g"',
  "closed/sub/h": 'file "h"',
  "link": "link -> /etc/passwd",
  "null": 'file 666 ""',
  "ping": 'file 444 user.a=31 "c"',
  "pipe": "fifo",
  "read-only": "dir 555",
  "read-only/g": 'file = closed/sub/g "g"',
  "read-only/new": 'file "y"',
  "read-only/su": 'file 4755 "x"',
  "tmp": "dir 1777",
  "zero": 'file 0 = also-zero "z"',
};

/** The same tree with another owner. */
function ownedBy(uid: number, tree: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tree).map(([path, line]) => [
      path,
      line.replace(/^(\w+(?: \d{1,4}(?= |$))?)/, `$1 ${uid}:${uid}`),
    ]),
  );
}

const WITHOUT_ATTRIBUTE = { "ping": 'file 444 "c"' };

for (const backend of ["native", "pure"] as const) {
  rootTest(
    `applyLayers() as an ordinary user keeps modes and content, ${backend} backend`,
    async () => {
      const { result, tree } = await extractAs(USER, LAYERS.slice(0, 2), { backend });

      const wanted = backend === "native" ? AFTER_TWO : { ...AFTER_TWO, ...WITHOUT_ATTRIBUTE };
      assertEquals(tree, ownedBy(USER, wanted));
      assertEquals(
        result.skipped.map(({ path }) => path),
        backend === "native" ? ["null", "ping"] : ["null", "ping", "ping"],
      );
    },
  );

  rootTest(
    `applyLayers() as an ordinary user removes directories without permissions, ${backend} backend`,
    async () => {
      const { tree } = await extractAs(USER, LAYERS, { backend });

      assertEquals(
        Object.keys(tree).filter((path) => path.startsWith("closed") || path.startsWith("read-")),
        ["read-only", "read-only/last"],
      );
      assertEquals(tree["read-only"], ownedBy(USER, { x: "dir 555" })["x"]);
    },
  );

  rootTest(
    `applyLayers() as an ordinary user rejects other owners in strict mode, ${backend} backend`,
    async () => {
      const layers = [tar(file("etc/shadow", "x", { uid: 0, gid: 42 }))];

      const { result, tree } = await extractAs(USER, layers, { backend, ownership: "strict" });

      assertEquals(result.error?.["name"], "OwnershipError");
      assertEquals([result.error?.["path"], result.error?.["uid"], result.error?.["gid"]], [
        "etc/shadow",
        0,
        42,
      ]);
      assertStringIncludes(
        String(result.error?.["message"]),
        '"65534:100000:65536" to /etc/subuid',
      );
      assertEquals(tree, {});
    },
  );
}

rootTest("applyLayers() as an ordinary user records owners", async () => {
  const { result, tree } = await extractAs(USER, LAYERS.slice(0, 1), { ownership: "record" });

  assertEquals(
    tree["zero"],
    'file 0 65534:65534 user.rootlesscontainers=080510ffffffff0f = also-zero "z"',
  );
  assertEquals(
    tree["read-only/su"],
    'file 4755 65534:65534 user.rootlesscontainers=080310ffffffff0f "x"',
  );
  // The kernel only supports user attributes of files and directories.
  assert(result.skipped.some(({ path }) => path === "link"));
});

rootTest("applyLayers() without --allow-ffi warns and continues", async () => {
  const permissions = ["--allow-read", "--allow-write", "--allow-sys=uid"];

  const { result, warnings, tree } = await extractAs(
    undefined,
    LAYERS.slice(0, 1),
    {},
    permissions,
  );

  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0] ?? "", "--allow-ffi");
  assertEquals(tree["null"], 'file 666 ""');
  assertEquals(tree["read-only/su"], 'file 4755 3:0 "x"');
  assertEquals(result.skipped.map(({ path }) => path), ["null", "pipe", "ping", "ping"]);
  assertStringIncludes(result.skipped[0]?.reason ?? "", "--allow-run=mknod");
});

rootTest("applyLayers() removes a created root if it cannot open it", async () => {
  const permissions = ["--allow-read", "--allow-write", "--allow-sys=uid"];

  const { result, tree } = await extractAs(undefined, [], { backend: "native" }, permissions);

  assertStringIncludes(String(result.error?.["message"]), "it needs --allow-ffi");
  assertEquals(tree, {});
});
