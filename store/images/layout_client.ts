import { hostPlatform } from "../../registry/host_platform.ts";
import type { ImageClient, ImageClientOptions } from "../../registry/image_client.ts";
import type { LayoutLocation } from "../../registry/image_location.ts";
import { formatReference, parseReference, type Reference } from "../../registry/reference.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import type { RemoteImage } from "../../spec/image.ts";
import { MAX_LAYERS, MAX_MANIFEST_BYTES, parseManifest } from "../../spec/manifest.ts";
import { OCI_INDEX } from "../../spec/media_types.ts";
import { parsePlatform } from "../../spec/platform.ts";
import { choosePlatform } from "../../spec/platform_choice.ts";
import { readImageDocuments } from "./_image_documents.ts";
import { ContentStore } from "../content/content_store.ts";
import { StoreError } from "../errors.ts";
import { CONTAINERD_NAME, REF_NAME } from "../content/layout_index.ts";

/** Which image of which layout: what `oci:DIR`, `oci:DIR:NAME` and `oci:DIR@DIGEST` say. */
export type LayoutSource = Omit<LayoutLocation, "transport">;

/**
 * Reads an image out of another OCI image layout, such as skopeo, umoci or `docker buildx`
 * write. The layout is not written to.
 *
 * Blobs that are links are refused: they could lead anywhere.
 *
 * @example Read what is in a layout
 * ```ts
 * import { LayoutClient } from "@x/oci/store";
 * import { assertRejects } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 *
 * await assertRejects(() => LayoutClient.open({ path: directory, name: "v1" }), Error, "v1");
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export class LayoutClient implements ImageClient {
  /**
   * What the image is called in a store: its full name if the layout has one, else
   * `localhost/NAME:TAG` if it has that, else `localhost/DIRECTORY:NAME`, as podman calls it.
   */
  readonly reference: Reference;
  readonly #layout: ContentStore;
  readonly #entries: readonly Descriptor[];

  private constructor(
    layout: ContentStore,
    entries: readonly Descriptor[],
    reference: Reference,
  ) {
    this.#layout = layout;
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
    const layout = await ContentStore.open(source.path, { foreign: true });
    const entries = await findEntries(layout, source);
    return new LayoutClient(layout, entries, referenceOf(source, entries));
  }

  /**
   * What the image is: its index or manifest.
   *
   * @param _reference Is not needed: the client is for one image.
   * @param options The platform.
   * @returns The descriptor.
   */
  resolve(_reference: Reference, options: ImageClientOptions = {}): Promise<Descriptor> {
    return Promise.resolve(this.#choose(options));
  }

  /**
   * Reads the documents of the image.
   *
   * @param reference What the image is called in errors.
   * @param options The platform, and how to stop.
   * @returns The image, with layers that are read from the layout.
   * @throws {StoreError} If a part of it is missing.
   * @throws {DigestMismatchError} If a part of it is not what its name says.
   */
  async image(reference: Reference, options: ImageClientOptions = {}): Promise<RemoteImage> {
    const { path } = this.#layout;
    const fail = (digest: Digest): never => {
      throw new StoreError(
        `Cannot read "${formatReference(reference)}" from "${path}": the layout does not have ` +
          `${digest} as a file; copy the image into it again`,
        path,
      );
    };
    const { digest } = this.#choose(options);
    const image = await readImageDocuments(this.#layout, digest, {
      platform: platformOf(options),
      maxLayers: MAX_LAYERS,
      name: formatReference(reference),
      signal: options.signal,
      onAbsent: fail,
    });
    if (image === undefined) return fail(digest);
    for (const { descriptor } of image.layers) {
      if (!await this.#layout.has(descriptor.digest)) fail(descriptor.digest);
    }
    return image;
  }

  /** Some tools write the platforms of an image as entries of one name, without an index. */
  #choose(options: ImageClientOptions): Descriptor {
    const [first, ...more] = this.#entries;
    if (first !== undefined && more.length === 0) return first;
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: this.#entries } as const;
    return choosePlatform(index, platformOf(options), formatReference(this.reference));
  }
}

function platformOf({ platform = hostPlatform() }: ImageClientOptions) {
  return typeof platform === "string" ? parsePlatform(platform) : platform;
}

async function findEntries(
  layout: ContentStore,
  { path, name, digest }: LayoutSource,
): Promise<readonly Descriptor[]> {
  const fail = (what: string): never => {
    throw new StoreError(`Cannot find an image in "${path}": ${what}`, path);
  };
  if (digest !== undefined) {
    const bytes = await layout.readBlob({ digest }, { maxBytes: MAX_MANIFEST_BYTES });
    if (bytes === undefined) return fail(`it does not have ${digest}`);
    return [{ mediaType: parseManifest(bytes).value.mediaType, digest, size: bytes.length }];
  }
  const all = await layout.descriptors();
  const names = [...new Set(all.flatMap((entry) => namesOf(entry).slice(0, 1)))];
  const found = name === undefined ? all : all.filter((entry) => namesOf(entry).includes(name));
  const [first] = found;
  if (first === undefined) {
    const wanted = name === undefined ? "it is empty, or no layout" : `it does not have "${name}"`;
    return fail(names.length === 0 ? wanted : `${wanted}; it has ${names.join(", ")}`);
  }
  const sameName = found.every((entry) => namesOf(entry)[0] === namesOf(first)[0]);
  if (found.length > 1 && !sameName) fail(`it has several; name one of ${names.join(", ")}`);
  return found;
}

/** The names of an entry, the fullest first. */
function namesOf({ annotations = {} }: Descriptor): readonly string[] {
  return [annotations[CONTAINERD_NAME], annotations[REF_NAME]]
    .filter((name) => name !== undefined);
}

function referenceOf(source: LayoutSource, entries: readonly Descriptor[]): Reference {
  const { path, name, digest } = source;
  const [entry] = entries;
  const names = [...entry === undefined ? [] : namesOf(entry), ...name === undefined ? [] : [name]];
  for (const text of names) {
    const reference = tryReference(text);
    // A name that says where it comes from, rather than a word that could be read as one.
    if (reference !== undefined && formatReference(reference) === text) return reference;
  }
  for (const text of names) {
    // Such as "alpine:3.20": of which registry that is, the layout does not say.
    const reference = /[:/]/.test(text) ? tryReference(`localhost/${text}`) : undefined;
    if (reference !== undefined) return reference;
  }
  const tag = names.findLast((text) => /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(text));
  const version = isDigest(digest) ? { digest } : { tag: tag ?? "latest" };
  return { registry: "localhost", repository: repositoryOf(path), ...version };
}

/** A layout may hold any text as a name. */
function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** The directory's name, as far as a repository may be called that. */
function repositoryOf(path: string): string {
  const base = path.replaceAll("\\", "/").split("/").findLast((part) => /[a-z0-9]/i.test(part));
  return (base ?? "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "layout";
}
