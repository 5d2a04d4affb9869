/**
 * Damages files that commands read: archives, and the files of a store.
 *
 * @module
 */
import { save } from "../../cache/mod.ts";
import { parseIfJson } from "../../spec/json.ts";
import { ContentStore, openBundler } from "../../store/mod.ts";
import { faultyRegistry } from "../../tests/_support/faulty_registry.ts";
import { run } from "../../tests/_support/process.ts";
import type { Act } from "../act.ts";
import { imageContent, IMAGES, repository } from "../images.ts";
import { mountReason } from "../mount_namespace.ts";
import { Broken, namesIn, type Scene } from "../scene.ts";
import { checkHealth, checkImage, checkTree } from "../store_checks.ts";
import { pullInto, storedImage } from "../stored.ts";
import { mutateBytes, mutateJson } from "./mutate.ts";

const posixReason = Deno.build.os === "windows" ? "needs a POSIX system" : undefined;

/** Acts that damage files. */
export const FILE_ACTS: readonly Act[] = [
  { name: "fuzz archives", weight: 2, play: fuzzArchive },
  { name: "fuzz stores", weight: 4, reason: posixReason, play: fuzzStore },
];

async function fuzzArchive(scene: Scene): Promise<void> {
  const { random } = scene;
  await using registry = faultyRegistry(imageContent());
  const name = `${registry.host}/${repository(0)}:1`;
  await pullInto(scene.path("other"), name);
  const format = random.pick(["oci-archive", "docker-archive"] as const);
  const path = scene.path("image.tar");
  await save(name, path, { store: scene.path("other"), format });
  await Deno.writeFile(path, mutateBytes(await Deno.readFile(path), random));
  const command = random.pick([
    ["load", "--json", path],
    ["load", "--json", "-"],
    ["inspect", "--json", `${format}:${path}`],
    ["unpack", "--json", `${format}:${path}`, scene.path("out")],
  ]);
  const stdin = command.includes("-") ? await Deno.readFile(path) : undefined;
  const { code } = await scene.oci(command, { codes: [0, 1], stdin });
  scene.count(code === 0 ? "read" : "refused");
  if (code === 0 && command[0] === "unpack") await checkTree(scene.path("out"), 0);
  if (code !== 0 && (await namesIn(scene.path("out"))).length > 0) {
    throw new Broken("files are left");
  }
  if ((await namesIn(scene.store)).length > 0) await checkHealth(scene.store);
}

const MAX_DOCUMENT_BYTES = 65_536;

/** Commands that read a damaged store. */
type StoreCommand = (name: string, out: string) => readonly string[];

const COMMANDS: readonly StoreCommand[] = [
  () => ["images"],
  () => ["fsck"],
  () => ["fsck", "--repair"],
  () => ["prune"],
  () => ["doctor"],
  (name) => ["pull", name],
  (name) => ["pull", "--policy", "always", name],
  (name) => ["inspect", name],
  (name) => ["ls", name],
  (name, out) => ["unpack", name, out],
  (name, out) => ["bundle", "--bundler", "uncompressed", name, out],
  (name, out) => ["save", "-o", out, name],
  (name) => ["rm", name],
];

async function fuzzStore(scene: Scene): Promise<void> {
  const { random } = scene;
  await using registry = faultyRegistry(imageContent());
  const numbers = random.sample(IMAGES.map((_, number) => number), 2);
  const names = numbers.map((number) => `${registry.host}/${repository(number)}:1`);
  for (const name of names) await pullInto(scene.store, name);
  if (mountReason() === undefined && random.chance(0.5)) await addBundle(scene, names[0] ?? "");
  for (let times = random.between(1, 3); times > 0; times--) await damage(scene);
  for (const make of random.sample(COMMANDS, 3)) {
    const out = scene.path(`out-${crypto.randomUUID()}`);
    const command = make(random.pick(names), out);
    const { code } = await scene.oci([...command, "--json"], { codes: [0, 1] });
    scene.count(`${command[0]} ${code}`);
    if (code === 0 && command[0] === "unpack") {
      await checkTree(out, numbers[names.indexOf(command[1] ?? "")] ?? 0);
    }
    if (code !== 0 && (await namesIn(out)).length > 0) {
      throw new Broken(`"oci ${command.join(" ")}" failed, and left files`);
    }
  }
  // Whatever happened, a pull works after the store is removed.
  await Deno.remove(scene.store, { recursive: true });
  await pullInto(scene.store, names[0] ?? "");
  await checkImage(scene.store, names[0] ?? "", numbers[0] ?? 0);
}

/** Makes and removes a bundle, so that the store has extracted layers. */
async function addBundle(scene: Scene, name: string): Promise<void> {
  const store = await ContentStore.open(scene.store);
  for (const kind of ["overlay", "uncompressed"] as const) {
    const bundler = await openBundler(store, { kind });
    await using _bundle = await bundler.bundle(await storedImage(scene.store, name), kind);
  }
}

/** Maximum size of a file to damage in memory. */
const MAX_DAMAGED_BYTES = 64 * 1024 * 1024;

/** Damages one file or directory of the store. */
async function damage(scene: Scene): Promise<void> {
  const { random } = scene;
  const path = await chooseFile(scene, scene.store);
  const { isFile, size } = await Deno.lstat(path);
  // An earlier act may have left a file with 1 TiB of holes.
  if (isFile && size <= MAX_DAMAGED_BYTES && random.chance(0.6)) {
    const bytes = await Deno.readFile(path);
    return await Deno.writeFile(path, await damagedBytes(bytes, scene));
  }
  await Deno.remove(path, { recursive: true });
  switch (random.below(6)) {
    case 0:
      return;
    case 1:
      return await Deno.mkdir(path);
    case 2:
      return await Deno.symlink(random.pick(["/nowhere", scene.path("home"), "."]), path);
    case 3:
      return void await run("mkfifo", [path]);
    case 4:
      return await Deno.writeTextFile(path, random.pick(["", "null", "[]", "{}", "\0", "5"]));
    default: {
      using file = await Deno.create(path);
      await file.truncate(2 ** 40);
    }
  }
}

function damagedBytes(bytes: Uint8Array<ArrayBuffer>, { random }: Scene): Uint8Array {
  if (bytes.length === 0) return new Uint8Array([random.below(256)]);
  // A document that was enlarged before could grow without end.
  const isText = bytes[0] === 0x7b && bytes.length < MAX_DOCUMENT_BYTES;
  // It may have been damaged before.
  const value = isText && random.chance(0.7)
    ? parseIfJson(new TextDecoder().decode(bytes))
    : undefined;
  if (value === undefined) return mutateBytes(bytes, random);
  return new TextEncoder().encode(JSON.stringify(mutateJson(value, random)) ?? "null");
}

/** Chooses a file or directory below a directory, at any depth. */
async function chooseFile(scene: Scene, directory: string): Promise<string> {
  const names = await namesIn(directory);
  if (names.length === 0) return directory;
  const path = `${directory}/${scene.random.pick(names)}`;
  const { isDirectory } = await Deno.lstat(path);
  return isDirectory && scene.random.chance(0.9) ? await chooseFile(scene, path) : path;
}
