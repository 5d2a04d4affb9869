import type { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImageProgress, ImagePullAuth } from "../../registry/image_client.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Platform } from "../../spec/platform.ts";
import type { TrustedSigner } from "../../store/attachments/trusted_signer.ts";
import type { CopyGraphOptions } from "../../store/moving/copy_options.ts";

/** Options for {@linkcode copy}. */
export interface CopyOptions extends Omit<CopyGraphOptions, "onProgress"> {
  /**
   * Platforms to copy from an index, each as an object or as `OS/ARCH[/VARIANT]`. A single platform
   * copies its manifest without the index.
   *
   * @default All of them, with the index.
   */
  readonly platforms?: readonly (Platform | string)[] | undefined;
  /**
   * Whether to copy the unchanged index with only the manifests for `platforms`. Some registries
   * refuse such an index.
   *
   * @default {false}
   */
  readonly sparse?: boolean | undefined;
  /**
   * Whether to report only what would be copied.
   *
   * @default {false}
   */
  readonly dryRun?: boolean | undefined;
  /**
   * Signer that must have signed the image. Signatures are looked up at the source. A refused image
   * is not copied.
   *
   * @default Images need no signature.
   */
  readonly verify?: TrustedSigner | undefined;
  /** Credentials for the source registry. */
  readonly sourceAuth?: ImagePullAuth | undefined;
  /** Credentials for the target registry. */
  readonly targetAuth?: ImagePullAuth | undefined;
  /**
   * Whether to pull an image of a registry into the store and copy it from there, rather than to
   * stream it. Content in the store is not downloaded again.
   *
   * @default {false}
   */
  readonly keep?: boolean | undefined;
  /**
   * Directory of the store, for `keep` and for temporary copies of compressed archives.
   *
   * @default The result of `storeDirectory()`.
   */
  readonly store?: string | undefined;
  /**
   * Client for registries. The caller disposes of it.
   *
   * @default A {@linkcode RemoteClient} for this call.
   */
  readonly client?: RemoteClient | undefined;
  /** Receives an archive that is copied to `-`, such as stdout. */
  readonly output?: { write(bytes: Uint8Array): Promise<void> } | undefined;
  /** Called with the progress of the copy. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
  /** Called once with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A copied document. */
export interface CopiedImage {
  /** Location of the copy, such as `ghcr.io/owner/app:1` or `oci:./layout:v1`. */
  readonly target: string;
  /** Descriptor of the copied index or manifest. */
  readonly descriptor: Descriptor;
  /** Number of bytes sent to the target, or to be sent with `dryRun`. */
  readonly bytes: number;
  /** Number of documents and blobs that were sent to the target or mounted there. */
  readonly copied: number;
  /** Number of documents and blobs that were found on the target. */
  readonly skipped: number;
}
