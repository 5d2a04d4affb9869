import type { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImageProgress, ImagePullAuth } from "../../registry/image_client.ts";
import type { ImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";
import type { Platform } from "../../spec/platform.ts";
import type { PackArtifactOptions } from "../../store/artifacts/artifact_content.ts";
import type { TrustedSigner } from "../../store/attachments/trusted_signer.ts";
import type { CopyGraphOptions } from "../../store/moving/copy_options.ts";
import type { LoadArchiveOptions } from "../../store/moving/load_archive.ts";
import type { SaveArchiveOptions } from "../../store/moving/save_archive.ts";
import type { PullOptions } from "../pull_options.ts";

/** Options for {@linkcode copy}. */
export interface CopyOptions extends Omit<CopyGraphOptions, "onProgress"> {
  /**
   * Platforms to copy from an index, each as an object or as `OS/ARCH[/VARIANT]`. A single platform
   * copies its manifest without the index.
   *
   * By default, all of them, with the index.
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
   * By default, images need no signature.
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
   * By default, the result of `storeDirectory()`.
   */
  readonly store?: string | undefined;
  /**
   * Client for registries. The caller disposes of it.
   *
   * By default, a {@linkcode RemoteClient} for this call.
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
  /** Whether only the manifest of one platform was copied, and not the index that lists it. */
  readonly isPart: boolean;
  /** Number of bytes sent to the target, or to be sent with `dryRun`. */
  readonly bytes: number;
  /** Number of documents and blobs that were sent to the target or mounted there. */
  readonly copied: number;
  /** Number of documents and blobs that were found on the target. */
  readonly skipped: number;
}

/** Options for {@linkcode push}. */
export interface PushOptions extends Omit<CopyOptions, "keep" | "sourceAuth" | "targetAuth"> {
  /**
   * Signer that must have signed the image. Signatures are looked up in the store. A refused image
   * is not pushed.
   *
   * By default, images need no signature.
   */
  readonly verify?: TrustedSigner | undefined;
  /**
   * Directory of the store.
   *
   * By default, the result of {@linkcode storeDirectory}.
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

/** Options for {@linkcode save}. */
export interface SaveOptions
  extends
    Omit<SaveArchiveOptions, "onProgress" | "platform">,
    Pick<PullOptions, "store" | "onWait"> {
  /**
   * The only platform to save, as an object or as `OS/ARCH[/VARIANT]`.
   *
   * By default, all if the store has all and the format supports several, else the host's.
   */
  readonly platform?: PullOptions["platform"];
  /** Called with the progress of the operation. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}

/** Options for {@linkcode load}. */
export interface LoadOptions
  extends
    Omit<LoadArchiveOptions, "onProgress" | "onVerify">,
    Pick<PullOptions, "store" | "onWait"> {
  /** Called with the progress of the operation: first of verifying, then of storing. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}

/** Options for {@linkcode pullArtifact}. */
export interface PullArtifactOptions
  extends Omit<PullOptions, "client" | "platform" | "strictPlatform" | "firstReads"> {
  /**
   * Client for registries. The caller disposes of it.
   *
   * By default, a {@linkcode RemoteClient} for this call.
   */
  readonly client?: RemoteClient | undefined;
  /**
   * Called with each document from the source before the content that it refers to is fetched.
   * Throw an error to refuse the document; then nothing is stored.
   */
  readonly onDocument?:
    | ((document: ImageDocument<ManifestDocument>) => void | Promise<void>)
    | undefined;
}

/** A pulled document, with everything it references. */
export interface PulledArtifact {
  /** Name in the store. */
  readonly reference: Reference;
  /** The document, as served and as parsed. */
  readonly document: ImageDocument<ManifestDocument>;
  /** Whether the store already had the complete artifact. */
  readonly isCached: boolean;
}

/** Options for {@linkcode pushArtifact}. */
export interface PushArtifactOptions extends
  Omit<PackArtifactOptions, "subject">,
  Pick<
    PushOptions,
    "auth" | "client" | "dryRun" | "jobs" | "onProgress" | "onWarning" | "signal" | "store"
  > {
  /**
   * Image that the artifact refers to, such as a signed image. With it, a target such as
   * `ghcr.io/owner/app`, without a tag, does not replace the tag `latest`.
   */
  readonly subject?: Reference | ImageLocation | string | undefined;
}
