/**
 * Passes damaged input to the parsers, within this process.
 *
 * @module
 */
import { DecompressStream, extractLayer, UntarStream } from "../../layer/mod.ts";
import { parseChallenges } from "../../registry/auth/_challenge.ts";
import {
  formatReference,
  parseImageLocation,
  parseReference,
  parseRegistriesConf,
} from "../../registry/mod.ts";
import {
  formatPlatform,
  parseDigest,
  parseImageConfig,
  parseManifest,
  parsePlatform,
} from "../../spec/mod.ts";
import {
  concat,
  dir,
  file,
  gzip,
  hardlink,
  symlink,
  tar,
  whiteout,
  zstd,
} from "../../tests/_support/tar.ts";
import { ATTACKS } from "../../tests/layer/_corpus/attacks.ts";
import type { Act } from "../act.ts";
import { isClear } from "../faults/fault_acts.ts";
import { IMAGES } from "../images.ts";
import type { Random } from "../random.ts";
import { Broken, namesIn, type Scene } from "../scene.ts";
import { mutateBytes, mutateJson, randomChunks } from "./mutate.ts";

/** Number of inputs each time that an act is played. */
const INPUTS = 40;
const MAX_BYTES = 64 * 1024 * 1024;
/** Maximum time for reading a small input. */
const BOUND_MS = 15_000;

const SOME_TAR = tar(
  dir("a"),
  file("a/long".padEnd(160, "x"), "a long name"),
  file("a/file", "content".repeat(300), { mode: 0o4755 }),
  hardlink("a/hard", "a/file"),
  symlink("a/soft", "../a/file"),
  whiteout("a/gone"),
  file("b", "b"),
);

/** Acts that damage what parsers read. */
export const PARSER_ACTS: readonly Act[] = [
  { name: "fuzz tar", weight: 2, play: (scene) => repeat(scene, fuzzTar) },
  { name: "fuzz gzip and zstd", weight: 2, play: (scene) => repeat(scene, fuzzCompression) },
  { name: "fuzz documents", weight: 2, play: (scene) => repeat(scene, fuzzDocument) },
  { name: "fuzz references", play: (scene) => repeat(scene, fuzzText) },
  { name: "fuzz challenges", play: (scene) => repeat(scene, fuzzChallenge) },
  { name: "fuzz registries.conf", play: (scene) => repeat(scene, fuzzToml) },
];

type Trial = (scene: Scene, index: number) => Promise<void> | void;

async function repeat(scene: Scene, trial: Trial): Promise<void> {
  for (let i = 0; i < INPUTS; i++) {
    scene.signal.throwIfAborted();
    const started = performance.now();
    try {
      await trial(scene, i);
      scene.count("read");
    } catch (error) {
      if (error instanceof Broken) throw error;
      if (!isClear(error)) {
        throw new Broken(`input ${i}: an error that explains nothing`, { cause: error });
      }
      scene.count("refused");
    }
    const ms = Math.round(performance.now() - started);
    if (ms > BOUND_MS) throw new Broken(`input ${i} took ${ms} ms`);
  }
}

async function fuzzTar(scene: Scene, index: number): Promise<void> {
  const { random } = scene;
  const bytes = mutateBytes(chooseTar(scene), random);
  const place = scene.path(`place-${index}`);
  await Deno.mkdir(place);
  await Deno.writeTextFile(`${place}/outside`, "outside");
  // Whether it is read or refused, nothing outside may change.
  const [result] = await Promise.allSettled([readTar(bytes, `${place}/root`, random)]);
  const names = (await namesIn(place)).filter((name) => name !== "root").join();
  const outside = await Deno.readTextFile(`${place}/outside`).catch(() => "gone");
  if (names !== "outside" || outside !== "outside") {
    throw new Broken(`input ${index} changed files outside: ${names} ${outside}`);
  }
  if (result.status === "rejected") throw result.reason;
}

async function readTar(
  bytes: Uint8Array<ArrayBuffer>,
  root: string,
  random: Random,
): Promise<void> {
  const chunks = randomChunks(bytes, random);
  if (random.chance(0.5)) await extractLayer(chunks, root, { ownership: "squash" });
  else {
    const entries = chunks.pipeThrough(new UntarStream());
    for await (const { readable } of entries) await readable?.cancel();
  }
}

function chooseTar(scene: Scene): Uint8Array<ArrayBuffer> {
  if (scene.random.chance(0.5)) return SOME_TAR;
  const { layers } = scene.random.pick(ATTACKS);
  const [layer = SOME_TAR] = typeof layers === "function" ? layers(scene.path("outside")) : layers;
  return new Uint8Array(layer);
}

async function fuzzCompression({ random }: Scene): Promise<void> {
  const compress = random.pick([gzip, zstd]);
  const members = Array.from({ length: random.between(1, 3) }, () => compress(SOME_TAR));
  const bytes = mutateBytes(concat(...members), random);
  const stream = randomChunks(bytes, random)
    .pipeThrough(new DecompressStream({ maxBytes: MAX_BYTES }));
  let size = 0;
  for await (const chunk of stream) size += chunk.length;
  if (size > MAX_BYTES) throw new Broken(`${size} bytes came out`);
}

function fuzzDocument({ random }: Scene): void {
  const built = random.pick(IMAGES);
  const documents = [...built.blobs.values()].filter(({ descriptor }) => {
    return descriptor.mediaType.endsWith("json");
  });
  const { bytes } = random.pick(documents);
  const text = new TextDecoder().decode(bytes);
  const mutated = random.chance(0.3)
    ? mutateBytes(bytes, random)
    : new TextEncoder().encode(JSON.stringify(mutateJson(JSON.parse(text), random)) ?? "");
  if (text.includes('"rootfs"')) parseImageConfig(mutated);
  else parseManifest(mutated);
}

const PIECES: readonly string[] = [
  ...["a", "A", "app", "localhost", "127.0.0.1", "[::1]", "[", "]", ":", "::", "@", "/", "//", "."],
  ...["..", "-", "_", "__", "5000", "65536", "sha256:", "sha512:", "0".repeat(64), "é", "\n", "\0"],
  ...["docker://", "oci:", "oci-archive:", "docker-archive:", "linux/arm/v7", "*", "%2f", " ", "?"],
];

function fuzzText({ random }: Scene): void {
  const text = randomText(random, PIECES, 8);
  for (const parse of [parseReference, parseImageLocation, parsePlatform, parseDigest]) {
    try {
      const value: unknown = parse(text);
      if (parse === parseReference) {
        const full = formatReference(parseReference(text));
        if (formatReference(parseReference(full)) !== full) throw new Broken(JSON.stringify(text));
      }
      if (parse === parsePlatform) formatPlatform(value as ReturnType<typeof parsePlatform>);
    } catch (error) {
      if (!(error instanceof SyntaxError) && !isClear(error)) throw error;
    }
  }
}

const CHALLENGE_PIECES: readonly string[] = [
  ...["Bearer", "basic", "Negotiate abc==", "realm", "scope", "x", "é", ";", "\0", "\t", " ", ","],
  ...["=", '"', "\\", '\\"', '""', 'realm="https://a/t?x=1,2"', 'scope="a b"', "charset=UTF-8"],
];

/** Challenges come from the server, and invalid parts are skipped. */
function fuzzChallenge({ random }: Scene): void {
  const text = randomText(random, CHALLENGE_PIECES, 200);
  for (const { scheme, parameters } of parseChallenges(text)) {
    if ([scheme, ...parameters.keys()].some((name) => !/^[^\sA-Z=",]+$/.test(name))) {
      throw new Broken(JSON.stringify(text));
    }
  }
}

const TOML_PIECES: readonly string[] = [
  ..."a|b.c|\"q k\"|'l'|=|[|]|[[|]]|{|}|,|#c|\\|\"|'|-|_|é|\0|\x7f|\ufeff| |\t|\r|\n|\r\n".split(
    "|",
  ),
  ...[
    '"\\u00e9"',
    '"\\U00110000"',
    '"""m\nn"""',
    "'''m'''",
    '"""\\\n  x"""',
    "true",
    "1_000",
    "0x1F",
  ],
  ...["1.5e3", "nan", "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "01", "[1, 'a', [true]]"],
  ...["{a = 1, b.c = 2}", "[a.b]\n", "[[registry]]\n", "prefix = 'a.io'\n", "location = 'b.io'\n"],
  ...["insecure = true\n", "[[registry.mirror]]\n", "[aliases]\n", "'x' = 'y.io/x'\n"],
];

function fuzzToml({ random }: Scene): void {
  parseRegistriesConf(randomText(random, TOML_PIECES, 12));
}

/** Joins up to `max` random pieces. */
function randomText(random: Random, pieces: readonly string[], max: number): string {
  return Array.from({ length: random.between(1, max) }, () => random.pick(pieces)).join("");
}
