import { hostPlatform } from "../../registry/host_platform.ts";
import type { ImageClient, ImageClientOptions } from "../../registry/image_client.ts";
import { entryIndex, type LayoutLocation } from "../../registry/image_location.ts";
import { formatReference, isTag, type Reference } from "../../registry/reference.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { type Descriptor, isForeignLayer } from "../../spec/image/descriptor.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import {
  type Index,
  MAX_CONFIG_BYTES,
  MAX_LAYERS,
  MAX_MANIFEST_BYTES,
} from "../../spec/image/manifest.ts";
import { OCI_INDEX } from "../../spec/image/media_types.ts";
import { choosePlatformByConfig } from "../../spec/image/platform_by_config.ts";
import { checkPlatform, checkTimes, isRunnable } from "../../spec/image/platform_choice.ts";
import { type Platform, toPlatform } from "../../spec/platform.ts";
import { ContentStore } from "../content/content_store.ts";
import { LayoutIndex, parseStoredName } from "../content/layout_index.ts";
import { StoreError } from "../errors.ts";
import { storedLayer } from "./image.ts";
import type { DocumentCollection } from "./layout_referrers.ts";
import {
  type ArchivedImage,
  choicesOf,
  imagesNamed,
  listedImages,
  withoutReferrers,
} from "./listed_images.ts";
import { readDocuments } from "./read_image.ts";
import { readStoredDocument } from "./stored_document.ts";

/** A collection of images that are read individually: a layout or an archive. */
export interface ImageCollection extends DocumentCollection {
  /** Path for errors. Its last component names images without a full name. */
  readonly path: string;
  /** The images in it, if an entry of its list may have several names. */
  readonly images?: readonly ArchivedImage[] | undefined;
  /** Returns whether the collection has a blob. */
  has(digest: Digest): Promise<boolean>;
  /** Creates a layer that is read from the collection. */
  layer(descriptor: Descriptor, diffId: Digest): RemoteLayer;
}

/** An image in a layout, as in `oci:DIR`, `oci:DIR:NAME` and `oci:DIR@DIGEST`. */
export type LayoutSource = Omit<LayoutLocation, "transport">;

/**
 * Reads an image from an OCI image layout that another tool may have written, such as skopeo, umoci
 * or `docker buildx`. Never writes to the layout.
 *
 * Blobs that are symlinks are rejected, since they could lead out of the layout.
 *
 * @example Open an image in a layout
 * ```ts
 * import { copy } from "@x/oci";
 * import { LayoutClient } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * await copy("alpine:3.20", "oci:./layout:v1");
 *
 * const layout = await LayoutClient.open({ path: "./layout", name: "v1" });
 * const image = await layout.image(layout.reference, { platform: "linux/arm64" });
 *
 * assertEquals(image.platform.architecture, "arm64");
 * ```
 */
export class LayoutClient implements ImageClient {
  /**
   * Name of the image in a store: its full name if the layout has one, else `localhost/NAME:TAG` if
   * it has a short name, else `localhost/DIRECTORY:NAME`, as in podman.
   */
  readonly reference: Reference;
  /** The layout or archive that has the image. */
  readonly collection: ImageCollection;
  readonly #entries: readonly Descriptor[];

  private constructor(
    layout: ImageCollection,
    entries: readonly Descriptor[],
    reference: Reference,
  ) {
    this.collection = layout;
    this.#entries = entries;
    this.reference = reference;
  }

  /**
   * Opens a layout and finds the image in it.
   *
   * @param source The directory; the name or the digest of the image, if the layout has several.
   * @returns A client for this image.
   * @throws {StoreError} If the directory is not a layout, or does not have the image.
   */
  static async open(source: LayoutSource): Promise<LayoutClient> {
    const store = await ContentStore.open(source.path, { foreign: true });
    const { name } = source;
    const entries = await new LayoutIndex(store.path, { foreign: true }).entries();
    const images = listedImages(entries.map(({ descriptor }) => descriptor));
    if (name !== undefined && imagesNamed(images, name).length === 0) {
      const entry = entries[entryIndex(name) ?? entries.findIndex((entry) => entry.name === name)];
      if (entry !== undefined && entry.descriptor === undefined) {
        throw noImage(store.path, `the entry "${name}" in index.json is not a valid descriptor`);
      }
    }
    return await LayoutClient.find({
      path: store.path,
      images,
      descriptors: () => store.descriptors(),
      readBlob: (blob, options) => store.readBlob(blob, options),
      has: (digest) => store.has(digest),
      layer: (descriptor, diffId) => storedLayer(store, descriptor, diffId),
    }, source);
  }

  /**
   * Finds an image in a collection of images, such as an archive.
   *
   * @param collection The collection; it stays open as long as the client is used.
   * @param source The name or the digest of the image, if the collection has several.
   * @returns A client for this image.
   * @throws {StoreError} If the collection does not have the image.
   */
  static async find(
    collection: ImageCollection,
    source: Omit<LayoutSource, "path"> = {},
  ): Promise<LayoutClient> {
    const where = { ...source, path: collection.path };
    const images = await findImages(collection, where);
    const entries = images.map(({ descriptor }) => descriptor);
    return new LayoutClient(collection, entries, referenceOf(where, images));
  }

  /**
   * Returns the descriptor of the index or manifest of the image.
   *
   * @param _reference Ignored, because the client is for one image.
   * @param options The platform.
   * @returns The descriptor.
   */
  async resolve(_reference: Reference, options: ImageClientOptions = {}): Promise<Descriptor> {
    return await this.#choose(options);
  }

  /**
   * Reads the documents of the image.
   *
   * @param reference Name of the image in errors.
   * @param options Platform, whether to refuse another one, and abort signal.
   * @returns The image, with layers that are read from the layout.
   * @throws {StoreError} If a part of it is missing.
   * @throws {DigestMismatchError} If a part of it does not match its digest.
   * @throws {PlatformError} If it is refused because it is only for another platform.
   */
  async image(reference: Reference, options: ImageClientOptions = {}): Promise<RemoteImage> {
    const fail = (digest: Digest): never => this.#failMissing(reference, digest);
    const root = await this.#choose(options);
    const [name, platform] = [formatReference(reference), platformOf(options)];
    const image = await readDocuments(
      this.collection,
      root,
      {
        platform,
        maxLayers: MAX_LAYERS,
        name,
        signal: options.signal,
        onAbsent: fail,
        // As in the store, the layout may lack the host's platform, but not one that was requested.
        replace: options.platform === undefined
          ? (chosen, index) => this.#entryInstead(chosen, index)
          : undefined,
      },
      (layer, diffId) => this.collection.layer(layer, diffId),
    );
    if (image === undefined) return fail(root.digest);
    checkPlatform(name, image.platform, platform, options);
    checkTimes(name, image.config.value, options.onWarning);
    for (const { descriptor } of image.layers) {
      if (await this.collection.has(descriptor.digest)) continue;
      if (!isForeignLayer(descriptor)) fail(descriptor.digest);
      this.#failMissing(reference, descriptor.digest, {
        advice: "Copy the image into it again with its nondistributable layers",
        option: "foreignLayers",
      });
    }
    return image;
  }

  /**
   * Reads the bytes of the index or manifest of the image.
   *
   * @param reference Name of the image in errors.
   * @param options The platform, in case the layout lists platforms without an index.
   * @returns The verified bytes.
   * @throws {StoreError} If it is missing.
   */
  async document(
    reference: Reference,
    options: ImageClientOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { digest, size } = await this.#choose(options);
    const limit = { maxBytes: MAX_MANIFEST_BYTES };
    const bytes = await this.collection.readBlob({ digest, size }, limit);
    return bytes ?? this.#failMissing(reference, digest);
  }

  #failMissing(
    reference: Reference,
    digest: Digest,
    facts: { readonly advice: string; readonly option?: string } = {
      advice: "Copy the image into it again",
    },
  ): never {
    const { path } = this.collection;
    throw new StoreError(`it does not have ${digest} as a file`, path, {
      code: "missing-content",
      action: `read "${formatReference(reference)}" from "${path}"`,
      ...facts,
    });
  }

  /** Chooses the platform, because some tools list platforms as entries of one name, not an index. */
  async #choose(options: ImageClientOptions): Promise<Descriptor> {
    const [first, ...more] = this.#entries;
    if (first !== undefined && more.length === 0) return first;
    return await this.#chooseFrom(this.#entries, platformOf(options));
  }

  /** Returns an entry of an index; if the layout lacks it, one that the layout has. */
  async #entryInstead(entry: Descriptor, index: Index): Promise<Descriptor> {
    const has = async ({ digest }: Descriptor) => {
      return isDigest(digest) && await this.collection.has(digest);
    };
    if (await has(entry)) return entry;
    const present: Descriptor[] = [];
    for (const other of index.manifests.filter(isRunnable)) {
      if (await has(other)) present.push(other);
    }
    const [first, ...more] = present;
    if (more.length === 0) return first ?? entry;
    return await this.#chooseFrom(present, hostPlatform());
  }

  async #chooseFrom(manifests: readonly Descriptor[], platform: Platform): Promise<Descriptor> {
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests } as const;
    return await choosePlatformByConfig(index, platform, {
      subject: formatReference(this.reference),
      read: (descriptor) => this.collection.readBlob(descriptor, { maxBytes: MAX_CONFIG_BYTES }),
    });
  }
}

function platformOf({ platform = hostPlatform() }: ImageClientOptions): Platform {
  return toPlatform(platform);
}

async function findImages(
  layout: ImageCollection,
  { path, name, digest }: LayoutSource,
): Promise<readonly ArchivedImage[]> {
  if (digest !== undefined) {
    const document = await readStoredDocument(layout, { digest });
    if (document === undefined) throw noImage(path, `it does not have ${digest}`);
    return [{ descriptor: document.descriptor, names: [] }];
  }
  const all = layout.images ?? listedImages(await layout.descriptors());
  const found = name === undefined ? await withoutReferrers(layout, all) : imagesNamed(all, name);
  const [first] = found;
  if (first === undefined) {
    const names = [...new Set(all.flatMap(({ names }) => names.slice(0, 1)))];
    const problem = name === undefined
      ? "it is empty, or not a layout"
      : `it does not have "${name}"`;
    throw noImage(path, names.length === 0 ? problem : `${problem}, only ${names.join(", ")}`);
  }
  // Of several names of an image, the first one counts.
  const distinct = [...Map.groupBy(found, ({ descriptor }) => descriptor.digest).values()]
    .flatMap(([image]) => image ?? []);
  // Some tools list the platforms of an image as entries of one name, without an index.
  const isOneImage = distinct.length === 1 || distinct.every(({ names, descriptor }) => {
    return names[0] === first.names[0] && descriptor.platform !== undefined;
  });
  if (isOneImage) return distinct;
  const advice = "Append a colon and one of the names to the path";
  throw noImage(path, `it has several images: ${choicesOf(found)}`, advice);
}

function noImage(
  path: string,
  problem: string,
  advice = "Check the path and the name after it",
): StoreError {
  const action = `find an image in "${path}"`;
  return new StoreError(problem, path, { code: "no-image", action, advice });
}

function referenceOf(source: LayoutSource, images: readonly ArchivedImage[]): Reference {
  const { path, name, digest } = source;
  const [image, ...more] = images;
  const names = [...image?.names ?? [], ...name === undefined ? [] : [name]];
  const content = more.length === 0 ? image?.descriptor.digest : undefined;
  return referenceOfNames(path, names, content) ?? {
    registry: "localhost",
    repository: repositoryOf(path),
    ...isDigest(digest) ? { digest } : { tag: "latest" },
  };
}

/**
 * Returns the reference for an image with some names in a layout or an archive: a full name
 * unchanged, else `localhost/NAME:TAG`, else `localhost/FILE:TAG`; `undefined` if there is no tag.
 *
 * @param path The layout or archive.
 * @param names The names, the most complete first.
 * @param content Digest of the image, if known. The digest in a name is dropped if it differs.
 */
export function referenceOfNames(
  path: string,
  names: readonly string[],
  content?: Digest,
): Reference | undefined {
  for (const text of names) {
    const reference = parseStoredName(text);
    // Accept only a name with an explicit registry.
    if (reference === undefined || formatReference(reference) !== text) continue;
    const own = withOwnDigest(reference, content);
    if (own !== undefined) return own;
  }
  for (const text of names) {
    // A layout does not record the registry of a short name such as "alpine:3.20". Podman writes
    // the image ID instead of a name if it is asked to save that.
    const isShort = /[:/]/.test(text) && !isDigest(text);
    const reference = isShort ? parseStoredName(`localhost/${text}`) : undefined;
    const own = reference && withOwnDigest(reference, content);
    if (own !== undefined) return own;
  }
  const tag = names.findLast(isTag);
  if (tag === undefined) return undefined;
  return { registry: "localhost", repository: repositoryOf(path), tag };
}

/** Drops the digest of other content from a reference; `undefined` if no tag remains. */
function withOwnDigest(reference: Reference, content: Digest | undefined): Reference | undefined {
  const { registry, repository, tag, digest } = reference;
  if (digest === undefined || content === undefined || digest === content) return reference;
  return tag === undefined ? undefined : { registry, repository, tag };
}

/** Returns the name of the directory or archive in the form of a valid repository name. */
function repositoryOf(path: string): string {
  const base = path.replaceAll("\\", "/").split("/").findLast((part) => /[a-z0-9]/i.test(part));
  const name = (base ?? "").replace(/(?<=.)\.(?:tar(?:\.[a-z0-9]+)?|tgz|tzst)$/i, "");
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "layout";
}
