import { assertEquals } from "@std/assert";
import { LayoutHashCache, LayoutImageCache } from "../../../cache/mod.ts";
import { type ContentRange, parseReference, serveRegistry } from "../../../registry/mod.ts";
import { type Digest, digestOf } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, buildIndex, MemoryContent } from "../../_support/image.ts";
import { ociSession } from "../../_support/oci_session.ts";
import { kill } from "../../_support/process.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";

const runOci = ociSession();

const BUILT = buildIndex([
  buildImage({ compression: "none", layers: [1, 2, 3, 4].map((i) => noise(i * 500_000, i)) }),
]);
const TOTAL = BUILT.blobs.values().reduce((sum, { bytes }) => sum + bytes.length, 0);

/** Shares of the bytes after which the process is killed, up to all bytes. */
const SHARES = Array.from({ length: 12 }, (_, i) => i / 11);
/**
 * Pauses after the last byte, in milliseconds, while blobs are renamed and the name is recorded.
 */
const PAUSES = [1, 2, 3, 5, 8, 12, 20, 40];
const POINTS = [
  ...SHARES.map((share) => ({ at: `${Math.round(share * 100)} % of the bytes`, share, pause: 0 })),
  ...PAUSES.map((pause) => ({ at: `${pause} ms after the last byte`, share: 1, pause })),
];

Deno.test.each(POINTS)("a pull that is killed at $at can be run again", async (point) => {
  await using directory = await makeTempDir();
  const content = new CountingContent();
  await using server = await serveRegistry(content);
  const reference = `${server.host}/a/b:1`;
  const pull = async (onStart?: (child: Deno.ChildProcess) => void) =>
    await runOci([
      "pull",
      "--quiet",
      "--platform=linux/amd64",
      "--store",
      directory.path,
      reference,
    ], {
      onStart,
    });
  const killed = pull((child) => {
    content.onBytes = (bytes) => {
      if (bytes >= TOTAL * point.share) setTimeout(() => kill(child, "SIGKILL"), point.pause);
    };
  });
  await killed;
  content.onBytes = () => {};
  content.opened.length = 0;
  const store = await ContentStore.open(directory.path);
  const complete = await completeBlobs(directory.path);
  const recorded = await store.resolve(reference);

  const { code, stdout, stderr } = await pull();

  const { digest } = BUILT.descriptor;
  assertEquals([code, stdout, stderr], [0, `${reference}@${digest}\n`, ""]);
  // Complete content is not requested again, except the manifests that a tag leads to.
  const layers = content.opened.filter((digest) => digest !== BUILT.descriptor.digest);
  assertEquals(layers.filter((digest) => complete.has(digest) && isLarge(digest)), []);
  if (recorded !== undefined) assertEquals(content.opened, []);
  const image = await new LayoutImageCache(store).image(digest, {
    os: "linux",
    architecture: "amd64",
  });
  assertEquals(image?.layers.length, 4);
  assertEquals(await new LayoutHashCache(store).hash(parseReference(reference)), digest);
  assertEquals(await namesIn(directory.join("ingest")), []);
});

function isLarge(digest: Digest): boolean {
  return (BUILT.blobs.get(digest)?.bytes.length ?? 0) > 100_000;
}

/** Everything under `blobs/`. Each file must match its name. */
async function completeBlobs(store: string): Promise<ReadonlySet<Digest>> {
  const found = new Set<Digest>();
  try {
    for await (const { name } of Deno.readDir(`${store}/blobs/sha256`)) {
      const digest = digestOf(await Deno.readFile(`${store}/blobs/sha256/${name}`));
      assertEquals(digest, `sha256:${name}`);
      found.add(digest);
    }
  } catch (error) {
    // The process was killed before it had begun.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

/** Serves the image and counts the responses. */
class CountingContent extends MemoryContent {
  readonly opened: Digest[] = [];
  onBytes: (bytes: number) => void = () => {};
  #bytes = 0;

  constructor() {
    super();
    this.add("a/b", "1", BUILT);
  }

  override async open(
    repository: string,
    digest: Digest,
    range?: ContentRange,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    this.opened.push(digest);
    const stream = await super.open(repository, digest, range);
    return stream.pipeThrough(
      new TransformStream({
        transform: (chunk, controller) => {
          this.#bytes += chunk.length;
          controller.enqueue(chunk);
          this.onBytes(this.#bytes);
        },
      }),
    );
  }
}
