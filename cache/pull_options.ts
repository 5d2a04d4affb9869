import type { ImageClient, ImageClientOptions } from "../registry/image_client.ts";
import type { Digest } from "../spec/digest.ts";
import type { TrustedSigner } from "../store/attachments/trusted_signer.ts";

/** Options for {@linkcode pull}. */
export interface PullOptions extends ImageClientOptions {
  /**
   * Directory of the store.
   *
   * By default, the result of {@linkcode storeDirectory}.
   */
  readonly store?: string | undefined;
  /**
   * Maximum number of blobs to download at once.
   *
   * @default {6}
   */
  readonly jobs?: number | undefined;
  /**
   * Source of images. The caller disposes of it.
   *
   * By default, a new {@linkcode RemoteClient} for this call.
   */
  readonly client?: ImageClient | undefined;
  /**
   * Digest that the tag resolved to earlier. The tag is recorded for it and not resolved again, so
   * that pulls of several platforms use the same index, even if the tag moves in between.
   *
   * By default, the digest of the reference, or what its tag resolves to.
   */
  readonly digest?: Digest | undefined;
  /**
   * Whether to warn if the tag of a reference with a digest has moved to another digest, unless that
   * is an index that lists the digest. Takes one request, or four for an index, even for an image in
   * the store, unless the policy is `Never`.
   *
   * @default {false}
   */
  readonly checkTag?: boolean | undefined;
  /**
   * Signer that must have signed the image, even if the store already has it. An image without a
   * valid signature is refused before a layer is fetched or anything is stored. Signatures are
   * looked up in the store, and then where the image comes from.
   *
   * By default, images need no signature.
   */
  readonly verify?: TrustedSigner | undefined;
  /** Called when the operation has waited for another process for a second. */
  readonly onWait?: ((message: string) => void) | undefined;
}
