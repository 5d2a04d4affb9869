/**
 * Invariants of a store, whatever was done to it.
 *
 * @module
 */
import { unpack } from "../cache/mod.ts";
import { hostPlatform, serveRegistry } from "../registry/mod.ts";
import { isDigest } from "../spec/mod.ts";
import { ContentStore, fsck, prune, readImage } from "../store/mod.ts";
import { makeTempDir } from "../tests/_support/temp.ts";
import { describeTree, readTree } from "../tests/_support/tree.ts";
import { imageContent, IMAGES, repository } from "./images.ts";
import { Broken, namesIn } from "./scene.ts";

const trees = new Map<number, Promise<string>>();

/** Checks that a directory has the files of an image. */
export async function checkTree(directory: string, number: number): Promise<void> {
  const expected = trees.get(number) ?? expectedTree(number);
  trees.set(number, expected);
  const actual = treeText(directory);
  if (actual !== await expected) {
    throw new Broken(
      `the files of image ${number} are wrong: ${difference(actual, await expected)}`,
    );
  }
}

/** Returns the files of an image, unpacked while no other command runs. */
async function expectedTree(number: number): Promise<string> {
  await using directory = await makeTempDir({ large: true });
  await using server = await serveRegistry(imageContent());
  await unpack(`${server.host}/${repository(number)}:1`, directory.join("out"), {
    store: directory.join("store"),
  });
  return treeText(directory.join("out"));
}

function treeText(directory: string): string {
  const tree = describeTree(readTree(directory));
  return Object.entries(tree).map(([path, entry]) => `${path}: ${entry}`).join("\n");
}

function difference(actual: string, expected: string): string {
  const [is, should] = [actual, expected].map((text) => new Set(text.split("\n")));
  const wrong = is?.difference(should ?? new Set()) ?? new Set();
  const missing = should?.difference(is ?? new Set()) ?? new Set();
  return `${[...wrong].slice(0, 5).join("; ")} instead of ${[...missing].slice(0, 5).join("; ")}` +
    ` (${wrong.size} wrong, ${missing.size} missing)`;
}

/** Checks that a name resolves to an image of the campaign, and that all of its bytes are right. */
export async function checkImage(path: string, name: string, number: number): Promise<void> {
  const store = await ContentStore.open(path);
  const resolved = await store.resolve(name);
  const expected = IMAGES[number]?.descriptor.digest;
  if (resolved?.digest !== expected) {
    throw new Broken(`"${name}" resolves to ${resolved?.digest}, not ${expected}`);
  }
  if (expected === undefined) return;
  const image = await readImage(store, expected, hostPlatform());
  if (image === undefined) throw new Broken(`"${name}" is incomplete`);
  for (const { descriptor } of image.layers) {
    store.distrust(descriptor.digest);
    await store.verify(descriptor);
  }
}

/** Checks that nothing in a store is damaged. */
export async function checkHealth(path: string): Promise<void> {
  const { findings } = await fsck(await ContentStore.open(path));
  if (findings.length > 0) throw new Broken(`fsck found ${JSON.stringify(findings)}`);
}

/** Files that may remain in an idle, pruned store, besides blobs and their marks. */
const LASTING: readonly RegExp[] = [
  /^(oci-layout|index\.json|overlay\.json)$/,
  /^locks\/(index|prune|layers|uploads)\.lock$/,
  /^locks\/chain-[a-z2-7]{8}(-[a-z0-9]+)?\.lock$/,
  /^\.overlay-trial\.lock$/,
  /^(chains|entries|tarballs)\//,
];

/** Checks that an idle store is undamaged, and has no leftovers once it is pruned. */
export async function checkStore(path: string): Promise<void> {
  await checkHealth(path);
  const store = await ContentStore.open(path);
  const warnings: string[] = [];
  await prune(store, { olderThanMs: 0, onWarning: (message) => warnings.push(message) });
  if (warnings.length > 0) throw new Broken(`prune warned: ${warnings.join("; ")}`);
  await checkHealth(path);
  const left = await leftIn(path);
  if (left.length > 0) throw new Broken(`left in the store: ${left.join(", ")}`);
}

/** Returns the files of a store that belong to no name and no running command. */
export async function leftIn(path: string): Promise<readonly string[]> {
  const left: string[] = [];
  for (const folder of await namesIn(path)) {
    const names = (await Deno.lstat(`${path}/${folder}`)).isDirectory
      ? await filesIn(`${path}/${folder}`, 2)
      : [""];
    for (const name of names) {
      const file = name === "" ? folder : `${folder}/${name}`;
      if (!isLasting(file) && !await isBlob(path, file)) left.push(file);
    }
  }
  return left;
}

function isLasting(file: string): boolean {
  return LASTING.some((pattern) => pattern.test(file));
}

/** Whether a file is a blob, or the mark of an existing blob. */
async function isBlob(store: string, file: string): Promise<boolean> {
  const [, folder, algorithm, , hex] = /^(blobs|verified)\/(\w+)([/-])(\w+)$/.exec(file) ?? [];
  if (!isDigest(`${algorithm}:${hex}`)) return false;
  if (folder === "blobs") return true;
  return (await namesIn(`${store}/blobs/${algorithm}`)).includes(hex ?? "");
}

/** Returns the paths of the entries up to `depth` levels below a directory, and of files there. */
async function filesIn(directory: string, depth: number): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (!isDirectory || depth === 0) files.push(name);
    else {
      const below = await filesIn(`${directory}/${name}`, depth - 1);
      files.push(...below.map((path) => `${name}/${path}`));
    }
  }
  return files;
}
