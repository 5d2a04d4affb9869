import type { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";
import type { PackArtifactOptions } from "../../store/artifacts/artifact_content.ts";
import type { PullOptions } from "../pull_options.ts";
import type { PushOptions } from "./push_options.ts";

/** Options for {@linkcode pullArtifact}. */
export interface PullArtifactOptions
  extends Omit<PullOptions, "client" | "platform" | "strictPlatform" | "firstReads"> {
  /**
   * Client for registries. The caller disposes of it.
   *
   * @default A {@linkcode RemoteClient} for this call.
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
