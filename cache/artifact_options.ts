import type { ImageLocation } from "../registry/image_location.ts";
import type { Reference } from "../registry/reference.ts";
import type { RemoteClient } from "../registry/client/remote_client.ts";
import type { ImageDocument } from "../spec/image.ts";
import type { ManifestDocument } from "../spec/manifest.ts";
import type { PackArtifactOptions } from "../store/artifacts/artifact_content.ts";
import type { PullOptions } from "./pull_options.ts";
import type { PushOptions } from "./push_options.ts";

/** Options for {@linkcode pullArtifact}. */
export interface PullArtifactOptions extends Omit<PullOptions, "client"> {
  /**
   * Client for registries. The caller disposes of it.
   *
   * @default A {@linkcode RemoteClient} for this call.
   */
  readonly client?: RemoteClient | undefined;
}

/** A document that was pulled, with all that it names. */
export interface PulledArtifact {
  /** What it is called in the store. */
  readonly reference: Reference;
  /** The document: the bytes as served, and what they say. */
  readonly document: ImageDocument<ManifestDocument>;
  /** Whether the store had all of it. */
  readonly isCached: boolean;
}

/** Options for {@linkcode pushArtifact}. */
export interface PushArtifactOptions extends
  Omit<PackArtifactOptions, "subject">,
  Pick<
    PushOptions,
    "auth" | "client" | "dryRun" | "jobs" | "onProgress" | "onWarning" | "signal" | "store"
  > {
  /** The image that the artifact is about, such as one that it signs. */
  readonly subject?: Reference | ImageLocation | string | undefined;
}
