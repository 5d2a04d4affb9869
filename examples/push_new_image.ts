// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Creates an image with one file, and pushes it to a registry.
 *
 *     deno run -A examples/push_new_image.ts localhost:5000/notes:v1 "Buy milk."
 */
import { tarHeader, tarPadding } from "@x/oci/layer";
import { parseReference, RemoteClient, RepositoryContent } from "@x/oci/registry";
import { type Descriptor, digestOf, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "@x/oci/spec";
import { copyNamed, MemoryContent } from "@x/oci/store";

type Bytes = Uint8Array<ArrayBuffer>;

const content = new MemoryContent();

async function add(mediaType: string, bytes: Bytes): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await content.push(descriptor, () => Promise.resolve(new Blob([bytes]).stream()));
  return descriptor;
}

function json(value: unknown): Bytes {
  return new TextEncoder().encode(JSON.stringify(value));
}

const [name = "localhost:5000/notes:v1", text = "Buy milk."] = Deno.args;
const note = new TextEncoder().encode(text);
const header = tarHeader({ type: "file", path: "note.txt", size: note.length, mode: 0o644 });
// Two blocks of zeros end an archive.
const archive = new Blob([header, note, tarPadding(note.length), new Uint8Array(1024)]);
const gzipped = archive.stream().pipeThrough(new CompressionStream("gzip"));

const layer = await add(`${OCI_LAYER}+gzip`, await new Response(gzipped).bytes());
const config = await add(
  OCI_CONFIG,
  json({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: [digestOf(await archive.bytes())] },
  }),
);
const manifest = await add(
  OCI_MANIFEST,
  json({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] }),
);

const reference = parseReference(name);
using client = new RemoteClient();
await copyNamed(
  content,
  new RepositoryContent(client, reference, { isTarget: true }),
  manifest,
  reference.tag ?? "latest",
);
console.log(manifest.digest);
