import type { ImageProgress, ImagePullAuth } from "../registry/image_client.ts";
import type { RemoteClient } from "../registry/client/remote_client.ts";
import type { Descriptor } from "../spec/descriptor.ts";
import type { Platform } from "../spec/platform.ts";
import type { CopyGraphOptions } from "../store/moving/copy_options.ts";

/** Options for {@linkcode copy}. */
export interface CopyOptions extends Omit<CopyGraphOptions, "onProgress"> {
  /**
   * Platforms to copy of an index, each as an object or as `OS/ARCH[/VARIANT]`. One alone copies its
   * manifest, without the index.
   *
   * @default All of them, with the index.
   */
  readonly platforms?: readonly (Platform | string)[] | undefined;
  /**
   * Whether the index is copied as it is, with the manifests for `platforms` only. Some registries
   * refuse such an index.
   *
   * @default {false}
   */
  readonly sparse?: boolean | undefined;
  /**
   * Whether nothing is stored: it is only found out what would be.
   *
   * @default {false}
   */
  readonly dryRun?: boolean | undefined;
  /** Credentials for the registry that is copied from. */
  readonly sourceAuth?: ImagePullAuth | undefined;
  /** Credentials for the registry that is copied to. */
  readonly targetAuth?: ImagePullAuth | undefined;
  /**
   * Directory of the store, which takes temporary copies of archives that are compressed.
   *
   * @default What `storeDirectory()` says.
   */
  readonly store?: string | undefined;
  /**
   * Client for registries. The caller disposes of it.
   *
   * @default A {@linkcode RemoteClient} for this call.
   */
  readonly client?: RemoteClient | undefined;
  /** Takes an archive that is copied to `-`, such as stdout. */
  readonly output?: { write(bytes: Uint8Array): Promise<void> } | undefined;
  /** Called with the progress of the copy. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
  /** Called once with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A document that was copied. */
export interface CopiedImage {
  /** Where it is now, such as `ghcr.io/owner/app:1` or `oci:./layout:v1`. */
  readonly target: string;
  /** What it is there: an index, or a manifest. */
  readonly descriptor: Descriptor;
  /** Bytes that went to the target; with `dryRun`, that would go there. */
  readonly bytes: number;
  /** Documents and blobs that went to the target, or were mounted there. */
  readonly copied: number;
  /** Documents and blobs that the target had already, as far as it was asked for them. */
  readonly skipped: number;
}
