import { type Descriptor, digestHex, OCI_INDEX } from "../../../spec/mod.ts";
import { buildImage, type Built, type BuiltImage, jsonBlob } from "../../_support/image.ts";
import { concat, dir, file, symlink, tar } from "../../_support/tar.ts";

const REF_NAME = "org.opencontainers.image.ref.name";

/** An image with two layers. */
export const IMAGE: BuiltImage = buildImage({
  layers: [tar(dir("etc"), file("etc/name", "a")), tar(file("b", "b"))],
  platform: "linux/amd64",
});

/** Path of a blob in a layout. */
export function blobPath({ digest }: Descriptor): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

/** The entries of the blobs of an image. */
export function blobEntries(built: Built): readonly Uint8Array[] {
  return [...built.blobs.values()].map(({ descriptor, bytes }) =>
    file(blobPath(descriptor), bytes)
  );
}

/** The version file of a layout. */
export const VERSION: Uint8Array = file("oci-layout", '{"imageLayoutVersion":"1.0.0"}');

/** The entries of the version file and of an `index.json`, with names for images. */
export function indexEntry(
  ...images: readonly (readonly [built: Built, name?: string | undefined])[]
): Uint8Array {
  const manifests = images.map(([{ descriptor }, name]) =>
    name === undefined ? descriptor : { ...descriptor, annotations: { [REF_NAME]: name } }
  );
  const { bytes } = jsonBlob(OCI_INDEX, { schemaVersion: 2, manifests });
  return concat(VERSION, file("index.json", bytes));
}

/** An OCI archive of one image. */
export function ociArchive(built: Built, name?: string): Uint8Array<ArrayBuffer> {
  return tar(
    dir("blobs"),
    dir("blobs/sha256"),
    ...blobEntries(built),
    indexEntry([built, name]),
  );
}

/** Images as `docker save` wrote them before version 25: equal layers are links. */
export function dockerArchive(
  ...images: readonly { readonly image: BuiltImage; readonly tags: readonly string[] | null }[]
): Uint8Array<ArrayBuffer> {
  const entries: Uint8Array[] = [];
  const known = new Map<string, string>();
  const manifest = images.map(({ image, tags }, i) => {
    const config = `${digestHex(image.config.descriptor.digest)}.json`;
    if (!known.has(config)) entries.push(file(config, image.config.bytes));
    known.set(config, config);
    const layers = image.layers.map(({ diffId, tar }, j) => {
      const path = `${i}-${j}/layer.tar`;
      const same = known.get(diffId);
      entries.push(
        dir(`${i}-${j}`),
        file(`${i}-${j}/VERSION`, "1.0"),
        same === undefined ? file(path, tar) : symlink(path, `../${same}`),
      );
      if (same === undefined) known.set(diffId, path);
      return path;
    });
    return { Config: config, RepoTags: tags, Layers: layers };
  });
  return concat(...entries, tar(file("manifest.json", JSON.stringify(manifest))));
}

/** Images as docker writes them since version 25: a layout with a `manifest.json`. */
export function mixedArchive(
  image: BuiltImage,
  tag: string,
  blobs: readonly Uint8Array[] = blobEntries(image),
  name: string | undefined = tag,
  tags: readonly string[] = [tag],
): Uint8Array<ArrayBuffer> {
  return tar(
    ...blobs,
    indexEntry([image, name === "" ? undefined : name]),
    file(
      "manifest.json",
      JSON.stringify([{
        Config: blobPath(image.config.descriptor),
        RepoTags: tags,
        Layers: image.layers.map(({ descriptor }) => blobPath(descriptor)),
      }]),
    ),
  );
}
