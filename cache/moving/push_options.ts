import type { ImagePullAuth } from "../../registry/image_client.ts";
import type { TrustedSigner } from "../../store/attachments/trusted_signer.ts";
import type { CopiedImage, CopyOptions } from "./copy_options.ts";

/** Options for {@linkcode push}. */
export interface PushOptions extends Omit<CopyOptions, "keep" | "sourceAuth" | "targetAuth"> {
  /**
   * Signer that must have signed the image. Signatures are looked up in the store. A refused image
   * is not pushed.
   *
   * @default Images need no signature.
   */
  readonly verify?: TrustedSigner | undefined;
  /**
   * Directory of the store.
   *
   * @default The result of {@linkcode storeDirectory}.
   */
  readonly store?: string | undefined;
  /**
   * Whether to push an index only if the store has all of it, and otherwise fail.
   *
   * @default {false}
   */
  readonly allPlatforms?: boolean | undefined;
  /** Credentials for the registry. */
  readonly auth?: ImagePullAuth | undefined;
  /** Called when the operation has waited for another process for a second. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/** A pushed image. */
export interface PushedImage extends CopiedImage {
  /**
   * The one platform of a multi-platform image that was pushed because the store lacks the others;
   * `undefined` if the whole image, or the selection in `platforms`, was pushed.
   */
  readonly partialPlatform: string | undefined;
}
