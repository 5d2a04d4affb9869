import { ArtifactError } from "../registry/errors.ts";
import type { ImageClient, ImageClientOptions } from "../registry/image_client.ts";
import { formatReference, type Reference } from "../registry/reference.ts";
import type { Digest } from "../spec/digest.ts";
import { describeError } from "../spec/error_facts.ts";
import { PlatformError } from "../spec/errors.ts";
import type { Descriptor } from "../spec/image/descriptor.ts";
import type { ImageDocument } from "../spec/image/image.ts";
import type { Index, ManifestDocument } from "../spec/image/manifest.ts";
import { isIndexMediaType } from "../spec/image/media_types.ts";

/** A client that can resolve a reference without fetching the image. */
export interface ResolvingClient extends ImageClient {
  /**
   * Resolves a reference to a descriptor.
   *
   * @param reference Reference of the image.
   * @param options Credentials and other options.
   */
  resolve(reference: Reference, options?: ImageClientOptions): Promise<Descriptor>;
  /**
   * Reads the document of a reference, which need not be an image.
   *
   * @param reference Reference of the document.
   * @param options Credentials and other options.
   */
  document?(
    reference: Reference,
    options?: ImageClientOptions,
  ): Promise<ImageDocument<ManifestDocument>>;
}

/**
 * Warns if the tag of a reference with a digest has moved to another digest, unless that is an
 * index with the digest.
 */
export async function checkTag(
  client: ResolvingClient,
  { digest, ...tagged }: Reference,
  options: ImageClientOptions,
): Promise<void> {
  const { signal, onWarning } = options;
  if (digest === undefined || tagged.tag === undefined) return;
  const name = formatReference(tagged);
  try {
    const now = await client.resolve(tagged, options);
    if (now.digest === digest) return;
    if (isIndexMediaType(now.mediaType) && await isInIndex(client, tagged, digest, options)) return;
    onWarning?.(`"${name}" now resolves to ${now.digest}, not ${digest}`);
  } catch (error) {
    signal?.throwIfAborted();
    onWarning?.(`Cannot check the tag of "${name}": ${describeError(error)}`);
  }
}

/** Returns whether an index lists a digest, itself or on the way to the image for the platform. */
async function isInIndex(
  client: ResolvingClient,
  tagged: Reference,
  digest: Digest,
  { auth, caCerts, platform, signal }: ImageClientOptions,
): Promise<boolean> {
  const lists = ({ manifests }: Index) => manifests.some((entry) => entry.digest === digest);
  const document = await client.document?.(tagged, { auth, caCerts, signal });
  if (document?.value.kind === "index" && lists(document.value.value)) return true;
  try {
    const { indexes } = await client.image(tagged, { auth, caCerts, platform, signal });
    return indexes.some(({ value }) => lists(value));
  } catch (error) {
    if (error instanceof PlatformError || error instanceof ArtifactError) return false;
    throw error;
  }
}
