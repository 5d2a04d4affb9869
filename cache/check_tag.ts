import { ArtifactError } from "../../registry/errors.ts";
import type { ImageClient, ImageClientOptions } from "../../registry/image_client.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { describeError } from "../../spec/error_facts.ts";
import { PlatformError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isIndexMediaType } from "../../spec/image/media_types.ts";

/** A client that can resolve a reference without fetching the image. */
export interface ResolvingClient extends ImageClient {
  /**
   * Resolves a reference to a descriptor.
   *
   * @param reference Reference of the image.
   * @param options Credentials and other options.
   */
  resolve(reference: Reference, options?: ImageClientOptions): Promise<Descriptor>;
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

/** Returns whether an index on the way to the image for the platform lists a digest. */
async function isInIndex(
  client: ImageClient,
  tagged: Reference,
  digest: Digest,
  { auth, caCerts, platform, signal }: ImageClientOptions,
): Promise<boolean> {
  try {
    const { indexes } = await client.image(tagged, { auth, caCerts, platform, signal });
    return indexes.some(({ value }) => value.manifests.some((entry) => entry.digest === digest));
  } catch (error) {
    if (error instanceof PlatformError || error instanceof ArtifactError) return false;
    throw error;
  }
}
