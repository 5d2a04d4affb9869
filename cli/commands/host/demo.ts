import type { PullOptions } from "../../../cache/pull_options.ts";
import { pull } from "../../../cache/pulling/pull.ts";
import { RemoteClient } from "../../../registry/client/remote_client.ts";
import { MemoryRegistryContent } from "../../../registry/server/memory_registry_content.ts";
import type { RegistryContent } from "../../../registry/server/registry_content.ts";
import { serveRegistry } from "../../../registry/server/server.ts";
import type { Digest } from "../../../spec/digest.ts";
import { describeSystemError } from "../../../store/host/system_error.ts";
import type { Image } from "../../../store/images/image.ts";
import { buildDemoImage, type DemoImage } from "../../demo/demo_image.ts";
import { DemoScript } from "../../demo/demo_script.ts";
import { layerListing } from "../../demo/layer_listing.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError } from "../../frame/errors.ts";
import type { Session } from "../../frame/session.ts";
import { formatBytes, formatDuration, shortDigest } from "../../terminal/format.ts";
import { imageText } from "../../terminal/image_text.ts";

const REPOSITORY = "demo/hello";
const TAG = "1";

export function define(command: Command): Command {
  return command
    .description(
      "Shows what a pull does, without a network: builds an image for two platforms in " +
        "memory, serves it from a registry on this machine, pulls it into a temporary store, " +
        "describes the result, and pulls it again from the store.",
    )
    .notes(`
Examples:
  oci demo
  oci demo --json`);
}

interface DemoPull {
  readonly image: Image;
  readonly platform: string;
  readonly durationMs: number;
  readonly requests: number;
  /** Layers that were not in the store before. */
  readonly fetched: number;
}

export async function run(session: Session): Promise<void> {
  const { signal } = session;
  const script = new DemoScript(session);
  const built = buildDemoImage();
  const size = built.blobs.values().reduce((sum, blob) => sum + blob.length, 0);
  await script.step("Build an image in memory", [
    `linux/amd64 and linux/arm64, ${built.blobs.size} blobs, ${formatBytes(size)}`,
    `index ${built.descriptor.digest}`,
  ]);

  let requests = 0;
  await using server = await serveRegistry(await contentOf(built), {
    readOnly: true,
    onRequest: () => requests++,
    signal,
  });
  await script.step("Serve it as a registry on this machine", [server.url]);

  await using directory = await temporaryDirectory();
  using client = new RemoteClient({ credentials: "none" });
  const name = `${server.host}/${REPOSITORY}:${TAG}`;
  const pullFor = async (platform: string): Promise<DemoPull> => {
    const before = requests;
    const options = { store: directory.path, client, platform, signal };
    const measured = await measurePull(name, options);
    return { ...measured, platform, requests: requests - before };
  };

  const first = await pullFor("linux/amd64");
  const { image } = first;
  await script.step(`Pull ${name} into ${directory.path}`, [
    summary(first),
    "every blob is verified against its digest before the name appears",
  ]);
  await script.step("Describe the image", imageText(name, image));
  for (const [i, layer] of image.layers.entries()) {
    const title = `Layer ${i + 1} of ${image.layers.length}: ${shortDigest(layer.digest)}`;
    await script.step(title, await layerListing(layer));
  }
  const second = await pullFor("linux/amd64");
  await script.step("Pull it again, from the store", [summary(second)]);
  const third = await pullFor("linux/arm64");
  await script.step("Pull it for the other platform, which shares layers", [summary(third)]);
  await script.end({
    reference: name,
    digest: image.digest,
    pulls: [first, second, third].map(({ image: _, ...pull }) => pull),
  });
}

/** Returns the content of a registry that has the image. */
async function contentOf({ descriptor, manifests, blobs }: DemoImage): Promise<RegistryContent> {
  const content = new MemoryRegistryContent();
  for (const [digest, bytes] of blobs) {
    const manifest = manifests.find((manifest) => manifest.digest === digest);
    if (manifest === undefined) {
      const upload = await content.beginUpload(REPOSITORY);
      await upload.write(bytes);
      await upload.commit(digest);
    } else {
      const tags = manifest === descriptor ? [TAG] : [];
      await content.putManifest(REPOSITORY, manifest, bytes, tags);
    }
  }
  return content;
}

/** Pulls an image; measures the time and counts the layers that were not in the store before. */
async function measurePull(
  name: string,
  options: PullOptions,
): Promise<Pick<DemoPull, "image" | "durationMs" | "fetched">> {
  const started = performance.now();
  const done = new Set<Digest | undefined>();
  const image = await pull(name, {
    ...options,
    onProgress: ({ phase, cached, digest }) => {
      if (phase === "done" && !cached) done.add(digest);
    },
  });
  const durationMs = Math.round(performance.now() - started);
  return { image, durationMs, fetched: image.layers.filter((l) => done.has(l.digest)).length };
}

function summary({ image, platform, durationMs, requests, fetched }: DemoPull): string {
  const asked = requests === 0 ? "without a request" : `with ${requests} requests`;
  return `${platform}: ${fetched} of ${image.layers.length} layers fetched in ` +
    `${formatDuration(durationMs)}, ${asked}`;
}

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await makeDirectory();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function makeDirectory(): Promise<string> {
  try {
    return await Deno.makeTempDir({ prefix: "oci-demo-" });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new CommandError(
      `cannot create a temporary directory: ${describeSystemError(cause)}`,
      "Set TMPDIR to a directory that you can write to",
      { cause },
    );
  }
}
