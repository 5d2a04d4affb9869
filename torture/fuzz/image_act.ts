import { unpack } from "../../cache/mod.ts";
import { RemoteClient, serveRegistry } from "../../registry/mod.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../spec/mod.ts";
import {
  blobOf,
  type Built,
  type BuiltBlob,
  MemoryContent,
  withBlobs,
} from "../../tests/_support/image.ts";
import type { Act } from "../act.ts";
import { isClear } from "../faults/fault_acts.ts";
import { IMAGES, SMALL } from "../images.ts";
import type { Random } from "../random.ts";
import { Broken, namesIn, type Scene } from "../scene.ts";
import { checkHealth } from "../store_checks.ts";
import { mutateJson } from "./mutate.ts";

/** Number of images each time that the act is played. */
const INPUTS = 5;

/** Unpacks images with damaged documents but right digests. */
export const IMAGE_ACT: Act = { name: "fuzz images", weight: 2, play };

async function play(scene: Scene): Promise<void> {
  for (let i = 0; i < INPUTS; i++) {
    scene.signal.throwIfAborted();
    const content = new MemoryContent().add("app", "1", damagedImage(scene.random));
    await using server = await serveRegistry(content);
    using client = new RemoteClient({ credentials: "none", retries: 0 });
    const out = scene.path(`out-${i}`);
    try {
      await unpack(`${server.host}/app:1`, out, { store: scene.store, client });
      scene.count("unpacked");
    } catch (error) {
      if (!isClear(error)) {
        throw new Broken(`image ${i}: an error that explains nothing`, { cause: error });
      }
      if ((await namesIn(out)).length > 0) {
        throw new Broken(`image ${i} was refused, and left files`);
      }
      scene.count("refused");
    }
    if ((await namesIn(scene.store)).length > 0) await checkHealth(scene.store);
  }
}

/** Builds an image with a change in its config, in its manifest, or in both. */
function damagedImage(random: Random): Built {
  // Without an index, the first document is the manifest.
  const built = IMAGES[SMALL[0] ?? 0];
  const blobs = [...built?.blobs.values() ?? []];
  const find = (mediaType: string) => {
    const blob = blobs.find(({ descriptor }) => descriptor.mediaType === mediaType);
    if (blob === undefined) throw new Broken(`there is no ${mediaType}`);
    return blob;
  };
  const manifest = find(OCI_MANIFEST);
  const isConfig = random.chance(0.5);
  const config = isConfig ? changed(find(OCI_CONFIG), random) : find(OCI_CONFIG);
  const named = { ...parsed(manifest) as object, config: config.descriptor };
  const value = isConfig && random.chance(0.7) ? named : mutateJson(named, random);
  const document = blobOf(OCI_MANIFEST, encoded(value));
  return withBlobs(document, [...blobs, config]);
}

function changed(blob: BuiltBlob, random: Random): BuiltBlob {
  return blobOf(blob.descriptor.mediaType, encoded(mutateJson(parsed(blob), random)));
}

function parsed({ bytes }: BuiltBlob): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function encoded(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value) ?? "null");
}
