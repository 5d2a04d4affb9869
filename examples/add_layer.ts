// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Adds a layer with one file to an image, and pushes the result under another name. The layers of
 * the image are streamed from one registry to the other.
 *
 *     deno run -A examples/add_layer.ts alpine:3.20 localhost:5000/alpine:motd etc/motd "Welcome."
 */
import { tarHeader, tarPadding } from "@x/oci/layer";
import { parseReference, RemoteClient, RepositoryContent } from "@x/oci/registry";
import {
  type ContentSource,
  type Descriptor,
  digestOf,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
} from "@x/oci/spec";
import { copyNamed, MemoryContent } from "@x/oci/store";

type Bytes = Uint8Array<ArrayBuffer>;

const added = new MemoryContent();

async function add(mediaType: string, bytes: Bytes): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await added.push(descriptor, () => Promise.resolve(new Blob([bytes]).stream()));
  return descriptor;
}

function json(value: unknown): Bytes {
  return new TextEncoder().encode(JSON.stringify(value));
}

const [from = "alpine:3.20", to = "localhost:5000/alpine:motd", path = "etc/motd", text = ""] =
  Deno.args;
const [source, target] = [parseReference(from), parseReference(to)];
using client = new RemoteClient();
const image = await client.image(source, { platform: "linux/amd64" });

const file = new TextEncoder().encode(text);
const header = tarHeader({ type: "file", path, size: file.length, mode: 0o644 });
// Two blocks of zeros end an archive.
const archive = new Blob([header, file, tarPadding(file.length), new Uint8Array(1024)]);
const layer = await add(OCI_LAYER, await archive.bytes());

// The bytes of the config have all of its fields; `image.config.value` has those that are parsed.
const original = JSON.parse(new TextDecoder().decode(image.config.bytes));
const diffIds = [...image.config.value.diffIds, layer.digest];
const config = await add(
  OCI_CONFIG,
  json({
    ...original,
    rootfs: { type: "layers", diff_ids: diffIds },
    // A history describes all layers or none.
    history: original.history && [...original.history, { created_by: `add ${path}` }],
  }),
);
const layers = [...image.manifest.value.layers, layer];
const manifest = await add(
  OCI_MANIFEST,
  json({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers }),
);

const base = new RepositoryContent(client, source);
const content: ContentSource = {
  fetch: async (descriptor, options) =>
    await (await added.exists(descriptor) ? added : base).fetch(descriptor, options),
};
const repository = new RepositoryContent(client, target, { isTarget: true });
await copyNamed(content, repository, manifest, target.tag ?? "latest");
console.log(manifest.digest);
