import type { Ownership } from "../../layer/extraction/ownership.ts";
import type { ImageProgress } from "../../registry/image_client.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import { checkBundleDirectory, openIdMaps } from "../../store/bundles/make_bundle.ts";
import { removeDeadBundles } from "../../store/bundles/remove_dead_bundles.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import { blobsOfImage, findHeld } from "../../store/content/find_held.ts";
import { defaultOwnership } from "../../store/host/default_ownership.ts";
import type { Image } from "../../store/images/image.ts";
import { findExtracted } from "../../store/overlay/extracted_layer.ts";
import { openBundler } from "../../store/overlay/open_bundler.ts";
import { OverlayBundler } from "../../store/overlay/overlay_bundler.ts";
import type { OverlayMounter } from "../../store/overlay/overlay_mounter.ts";
// Loaded with the command, because each later import takes more than a millisecond.
import "../../store/overlay/prepare_layers.ts";
import type { UncompressedBundler } from "../../store/uncompressed/uncompressed_bundler.ts";
import { openPuller } from "../access/puller.ts";
import { locateImage } from "../access/references.ts";
import { openStore } from "../access/store.ts";
import { UsageError } from "../frame/errors.ts";
import { type LimitOption, limitsOf } from "../frame/limits.ts";
import type { RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import type { ContainerOptions } from "./container_options.ts";

/** An image in the store, and its bundler. The image is not pruned until this is disposed of. */
export interface Bundling extends Disposable {
  readonly reference: Reference;
  readonly image: Image;
  readonly bundler: OverlayBundler | UncompressedBundler;
}

export interface BundleTarget {
  /**
   * Returns its directory, given that of the store (default: one with a unique name in the store).
   */
  readonly directoryIn?: ((store: string) => string) | undefined;
  /** Whether it is removed when this process ends. */
  readonly isTemporary: boolean;
}

/**
 * Removes bundles left behind by killed processes, and pulls the image named by the first operand
 * into the store according to the pull policy.
 */
export async function prepareBundling(
  session: Session,
  { directoryIn, isTemporary }: BundleTarget,
): Promise<Bundling> {
  const options = session.options<ContainerOptions & RegistryOptions & LimitOption>();
  const { bundler: kind, containerUser, jobs, uidMap, gidMap, slowChown } = options;
  const { signal, warn: onWarning } = session;
  const maps = await openIdMaps({ uidMap, gidMap });
  if (slowChown && maps === undefined) {
    const problem = '"--slow-chown" requires "--uid-map" or "--gid-map"';
    throw new UsageError(problem, "Add one of them, or leave it out");
  }
  const source = await locateImage(session, session.operands[0] ?? "");
  using puller = await openPuller(session);
  const found = await puller.find(source);
  const { reference } = found;
  session.workOn(formatReference(reference));
  const store = await openStore(session);
  await reportLeftBundles(session, store.path);
  if (directoryIn !== undefined) await checkBundleDirectory(store.path, directoryIn(store.path));
  maps?.checkReachable(directoryIn?.(store.path) ?? store.path);
  const bundler = await openBundler(store, {
    ...limitsOf(options),
    kind,
    isTemporary,
    signal,
    onWarning,
    // Most users without root cannot change it, and "oci doctor" explains it.
    onFallback: session.options().verbose && session.note,
    jobs,
    uidMap,
    gidMap,
    slowChown,
  });
  // Stay silent about what the store has, so that only the container's output shows.
  await using progress = session.showProgress({ present: undefined });
  let isBusy = false;
  const report = (event: ImageProgress) => {
    // The first event loads the display.
    isBusy ||= !event.cached;
    if (isBusy) progress.report(event);
  };
  const overlay = bundler instanceof OverlayBundler ? bundler : undefined;
  const mounter = overlay?.mounter;
  const ownership = maps && await overlay?.layerOwnership();
  using stack = new DisposableStack();
  const hold = async (bring: () => Promise<Image>) => {
    return stack.use(await findHeld(store, bring, { blobsOf: blobsOfImage, signal })).found;
  };
  let image: Image | undefined;
  // A numeric user needs no lookup, so the layers can be extracted as they arrive.
  if (mounter === undefined || /[^0-9:]/.test(containerUser ?? "")) {
    image = await hold(() => found.pull(report));
    await checkContainerUser(session, store, image, { mounter, ownership });
  }
  if (image === undefined || mounter !== undefined) {
    image = await hold(() => found.prepare(report, { mounter, ownership }));
  }
  const kept = stack.move();
  return { reference, image, bundler, [Symbol.dispose]: () => kept.dispose() };
}

/** How the layers are extracted. */
interface PreparedLayers {
  readonly mounter: OverlayMounter | undefined;
  readonly ownership: Ownership | undefined;
}

/** Rejects an unknown user before the image is extracted; afterwards, the bundler does. */
async function checkContainerUser(
  session: Session,
  store: ContentStore,
  image: Image,
  { mounter, ownership: chosen }: PreparedLayers,
): Promise<void> {
  const options = session.options<ContainerOptions & LimitOption>();
  const { containerUser } = options;
  if (containerUser === undefined) return;
  if (mounter !== undefined) {
    const ownership = chosen ?? await defaultOwnership(store.path);
    const kind = { namespace: mounter.namespace, ownership };
    if (findExtracted(store.path, image, kind) !== undefined) return;
  }
  const { checkUser } = await import("../../store/bundles/check_user.ts");
  await checkUser(store, image, containerUser, {
    ...limitsOf(options),
    signal: session.signal,
  });
}

/** Removes the bundles of killed processes, and warns about bundles that remain. */
async function reportLeftBundles(session: Session, store: string): Promise<void> {
  const { left } = await removeDeadBundles(store, { signal: session.signal });
  for (const { path, container, reason } of left) {
    session.warn(
      reason === undefined
        ? `container ${container} of a killed "oci run" is still running; ` +
          `end it with "oci unbundle ${path}"`
        : `cannot remove ${path}, left behind by a killed process: ${reason}`,
    );
  }
}
