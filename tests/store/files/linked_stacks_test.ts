import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { applyLayers } from "../../../layer/mod.ts";
import { type ImageFile, ImageFiles } from "../../../store/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import "../../_support/native_backend.ts";
import { posixTest } from "../../_support/skip.ts";
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import { fakeLayers, imageOf, makeUnpackBox, type UnpackBox } from "../unpacking/_unpack_box.ts";
import { LINKED_STACKS } from "./_linked_stacks.ts";

/** Follows a path in a directory like a container with that root. */
function resolve(root: string, path: string, followLast: boolean): string | undefined {
  let at: string[] = [];
  let links = 0;
  const rest = path.split("/").reverse();
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at.pop();
      continue;
    }
    const inner = [root, ...at, name].join("/");
    const info = lstat(inner);
    const isLast = rest.every((part) => part === "" || part === ".");
    if (info?.isSymlink && (followLast || !isLast)) {
      if (++links > 40) return undefined;
      const target = Deno.readLinkSync(inner);
      if (target.startsWith("/")) at = [];
      rest.push(...target.split("/").reverse());
      continue;
    }
    if (info === undefined || !info.isDirectory && !isLast) return undefined;
    at.push(name);
  }
  return at.join("/");
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch {
    return undefined;
  }
}

/** Describes the entry at a path of a directory. */
function stateOf(root: string, path: string | undefined): unknown {
  if (path === undefined) return undefined;
  const full = path === "" ? root : `${root}/${path}`;
  const info = Deno.lstatSync(full);
  if (info.isSymlink) return { path, type: "symlink", target: Deno.readLinkSync(full) };
  return { path, type: info.isDirectory ? "directory" : "file", target: "" };
}

function brief(file: ImageFile | undefined): unknown {
  return file && { path: file.path, type: file.status.type, target: file.target };
}

/** The output of `oci cat`, or the reason why there is none. */
async function catOf(files: ImageFiles, path: string): Promise<string | undefined> {
  try {
    return await files.readText(path);
  } catch (error) {
    if (error instanceof Deno.errors.IsADirectory) return "directory";
    throw error;
  }
}

function contentOf(root: string, path: string): string | undefined {
  const real = resolve(root, path, true);
  if (real === undefined) return undefined;
  return Deno.lstatSync(`${root}/${real}`).isDirectory
    ? "directory"
    : Deno.readTextFileSync(`${root}/${real}`);
}

/** Lists a path of a directory as `ImageFiles.list()` does. */
function listOf(root: string, path: string): readonly string[] {
  const real = resolve(root, path, true);
  if (real === undefined) return [];
  const info = Deno.lstatSync(`${root}/${real}`);
  return [
    ...real === "" ? [] : [real],
    ...info.isDirectory ? [...walk(root, real)] : [],
  ].toSorted();
}

function* walk(root: string, directory: string): Generator<string, void, void> {
  for (const { name, isDirectory } of Deno.readDirSync(`${root}/${directory}`)) {
    const path = directory === "" ? name : `${directory}/${name}`;
    yield path;
    if (isDirectory) yield* walk(root, path);
  }
}

/** All paths of a directory, and those that lead to them through one more link. */
function pathsIn(root: string): readonly string[] {
  const paths = ["", ...walk(root, "")];
  const links = paths.filter((path) => lstat(`${root}/${path}`)?.isSymlink);
  const names = [...new Set(paths.map((path) => path.slice(path.lastIndexOf("/") + 1)))];
  return [
    ...paths,
    ...links.flatMap((link) => [...names.map((name) => `${link}/${name}`), `${link}/../a`]),
  ];
}

/** Compares every lookup with the unpacked files. */
async function assertAsUnpacked(
  box: UnpackBox,
  layers: readonly Uint8Array[],
  others: readonly string[],
): Promise<void> {
  const root = box.temp.join(crypto.randomUUID());
  await applyLayers(fromLayers(layers), root, { ownership: "squash" });
  const image = imageOf(fakeLayers(layers));
  const paths = [...new Set([...pathsIn(root), ...others])].toSorted();
  const whole = new ImageFiles(box.store, image);
  const expected: Record<string, unknown> = {};
  const actual: Record<string, unknown> = {};
  for (const path of paths) {
    expected[path] = {
      link: stateOf(root, resolve(root, path, false)),
      file: stateOf(root, resolve(root, path, true)),
      cat: contentOf(root, path),
      ls: listOf(root, path),
    };
    // Create a new view for each path: a view of all layers for one path would serve the next, too.
    const files = new ImageFiles(box.store, image);
    const listed = await Array.fromAsync(whole.list(path), ({ path }) => path);
    actual[path] = {
      link: brief(await files.find(path, false)),
      file: brief(await files.find(path)),
      cat: await catOf(files, path),
      ls: listed.toSorted(),
    };
  }
  assertEquals(actual, expected);
}

posixTest.each([...LINKED_STACKS])("ImageFiles finds the same files as unpacking: $name", async (
  { layers, paths = [] },
) => {
  await using box = await makeUnpackBox();

  await assertAsUnpacked(box, layers, paths);
});

const NAMES = fc.constantFrom("a", "b", "c");
const PATHS = fc.array(NAMES, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const TARGETS = fc.oneof(
  PATHS,
  PATHS.map((path) => `/${path}`),
  PATHS.map((path) => `../${path}`),
  fc.constantFrom("..", ".", "/"),
);
const ENTRIES = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(PATHS, fc.string()).map(([path, text]) => file(path, text)) },
  { weight: 3, arbitrary: PATHS.map((path) => dir(path)) },
  { weight: 3, arbitrary: fc.tuple(PATHS, TARGETS).map(([path, to]) => symlink(path, to)) },
  { weight: 1, arbitrary: fc.tuple(PATHS, PATHS).map(([path, to]) => hardlink(path, to)) },
  { weight: 1, arbitrary: PATHS.map((path) => whiteout(path)) },
  { weight: 1, arbitrary: PATHS.map((path) => opaque(path)) },
);
const STACKS = fc.array(fc.array(ENTRIES, { maxLength: 5 }), { minLength: 1, maxLength: 4 })
  .map((layers) => layers.map((entries) => tar(...entries)));

posixTest("ImageFiles finds the same files as unpacking, for any layers", async () => {
  await using box = await makeUnpackBox();

  await fc.assert(
    fc.asyncProperty(STACKS, async (layers) => {
      const root = box.temp.join(crypto.randomUUID());
      try {
        await applyLayers(fromLayers(layers), root, { ownership: "squash" });
      } catch {
        // For example, a dangling hard link.
        fc.pre(false);
      }
      await assertAsUnpacked(box, layers, ["a/b", "b/../a", "c/a/b"]);
    }),
    { numRuns: 30 },
  );
});
