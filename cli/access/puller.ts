import type { PulledArtifact } from "../../cache/moving/moving_options.ts";
import type { PullOptions } from "../../cache/pull_options.ts";
import { pull } from "../../cache/pulling/pull.ts";
import { prepare, type PrepareOptions } from "../../cache/pulling/unpack.ts";
import { ArtifactError } from "../../registry/errors.ts";
import type { ImageProgress } from "../../registry/image_client.ts";
import { type ImageLocation, isArchiveLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { PlatformError } from "../../spec/errors.ts";
import type { TrustedSigner } from "../../store/attachments/trusted_signer.ts";
import type { Image } from "../../store/images/image.ts";
// Loaded with the command, because each later import takes more than a millisecond.
import "../../store/images/read_image.ts";
import { type LimitOption, limitsOf } from "../frame/limits.ts";
import type { RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import { imageOptions, openClient } from "./client.ts";
import type { ImagePlatforms } from "./image_finder.ts";
import { isInStore, storePath } from "./store.ts";

/** Pulls images according to the options. */
export interface Puller extends Disposable {
  /**
   * Finds out which name an image has in the store, and how to pull it.
   *
   * @param digest Digest that the tag has resolved to before.
   */
  find(source: ImageLocation, digest?: Digest): Promise<FoundSource>;
  /** Returns the platforms of a multi-platform image, or none, and the digest of its index. */
  platforms(source: ImageLocation): Promise<ImagePlatforms>;
}

/** An image that can be pulled. */
export interface FoundSource {
  /** Name in the store. */
  readonly reference: Reference;
  /** Pulls the image for the requested or the given platform. */
  pull(
    onProgress: (event: ImageProgress) => void,
    platform?: PullOptions["platform"],
  ): Promise<Image>;
  /** Pulls the image and extracts its layers for the overlay bundler in the same pass. */
  prepare(
    onProgress: (event: ImageProgress) => void,
    options?: Pick<PrepareOptions, "mounter" | "ownership" | "platform">,
  ): Promise<Image>;
  /** Pulls an artifact with all of its blobs. */
  artifact(onProgress: (event: ImageProgress) => void): Promise<PulledArtifact>;
  /** Pulls the manifests of its index that have no platform, such as attestations. */
  complete(image: Image): Promise<void>;
}

/** Creates a puller from the options. The caller disposes of it. */
export async function openPuller(session: Session): Promise<Puller> {
  const { jobs } = session.options<RegistryOptions>();
  const common: PullOptions = {
    store: storePath(session),
    onWait: session.note,
    jobs,
    verify: await signerOf(session),
    ...await imageOptions(session),
  };
  const client = await openClient(session);
  const found = (
    source: ImageLocation,
    reference: Reference,
    options: PullOptions,
  ): FoundSource => ({
    reference,
    artifact: async (onProgress) => {
      const { pullDocument } = await import("../../cache/moving/pull_document.ts");
      const { openLocalArchive } = await import("./local_images.ts");
      // Stdin can be read only once.
      const archive = isArchiveLocation(source)
        ? await openLocalArchive(session, source)
        : undefined;
      return await pullDocument(source, { ...common, client, onProgress }, archive);
    },
    pull: (onProgress, platform = options.platform) => {
      return pull(reference, { ...options, platform, onProgress });
    },
    prepare: (onProgress, { platform = options.platform, ...layers } = {}) => {
      const limits = limitsOf(session.options<LimitOption>());
      return prepare(reference, { ...options, ...limits, ...layers, platform, onProgress });
    },
    complete: async ({ indexes: [index] }) => {
      // An archive on stdin can be read only once, and never changes.
      const isWhole = options.pullPolicy === "Never" || isArchiveLocation(source);
      if (index === undefined || isWhole) return;
      const { completeIndex } = await import("./complete_index.ts");
      const { auth } = common;
      await completeIndex(session, source, index.descriptor, { client, auth });
    },
  });
  return {
    find: async (source, digest) => {
      if (source.transport === "docker") {
        return found(source, source.reference, { ...common, client, digest });
      }
      const { openLocalImage } = await import("./local_images.ts");
      const layout = await openLocalImage(session, source);
      // Reading a layout again is cheap. An image in the store itself keeps its name.
      const pullPolicy = isInStore(session, source) ? "Never" : common.pullPolicy ?? "Always";
      return found(source, layout.reference, { ...common, pullPolicy, client: layout });
    },
    platforms: async (source) => {
      const { ImageFinder } = await import("./image_finder.ts");
      return await (await ImageFinder.open(session, client)).platforms(source);
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

/** Whether an error means that a document is not an image, but an artifact or an index of them. */
export function isArtifactError(error: unknown): boolean {
  return error instanceof ArtifactError ||
    (error instanceof PlatformError && error.available.length === 0);
}

/** Returns the signer of `--verify`, if the option is set. */
export async function signerOf(session: Session): Promise<TrustedSigner | undefined> {
  const { verify } = session.options<RegistryOptions>();
  if (verify === undefined) return undefined;
  const { readSigner } = await import("./signer.ts");
  return await readSigner(verify);
}
