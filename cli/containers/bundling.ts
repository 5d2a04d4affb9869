import type { ImageProgress } from "../../registry/image_client.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import { removeDeadBundles } from "../../store/bundles/remove_dead_bundles.ts";
import type { Image } from "../../store/images/image.ts";
import { openBundler } from "../../store/overlay/open_bundler.ts";
import { OverlayBundler } from "../../store/overlay/overlay_bundler.ts";
import type { UncompressedBundler } from "../../store/uncompressed/uncompressed_bundler.ts";
import type { ContainerOptions } from "./container_options.ts";
import type { RegistryOptions } from "../frame/options.ts";
import { openPuller } from "../access/puller.ts";
import { readSource } from "../access/references.ts";
import type { Session } from "../frame/session.ts";
import { showProgress } from "../access/show_progress.ts";
import { openStore } from "../access/store.ts";

/** An image in the store, and what bundles it. */
export interface Bundling {
  readonly reference: Reference;
  readonly image: Image;
  readonly bundler: OverlayBundler | UncompressedBundler;
}

/**
 * Removes what killed processes left of other bundles, and brings the image that the first operand
 * names into the store, as the policy says.
 *
 * @param session The command.
 * @param isTemporary Whether the bundle is to end with this process.
 */
export async function prepareBundling(session: Session, isTemporary: boolean): Promise<Bundling> {
  const { bundler: kind, jobs } = session.options<ContainerOptions & RegistryOptions>();
  const { signal, warn: onWarning } = session;
  const source = readSource(session.operands[0] ?? "");
  using puller = await openPuller(session);
  const found = await puller.find(source);
  const { reference } = found;
  session.workOn(formatReference(reference));
  const store = await openStore(session);
  await reportLeftBundles(session, store.path);
  const bundler = await openBundler(store, {
    ...{ kind, isTemporary, signal, onWarning },
    jobs,
  });
  using progress = showProgress(session);
  const report = (event: ImageProgress) => {
    // What is in the store already is not worth a word beside what the container says.
    if (!event.cached) progress.report(event);
  };
  const mounter = bundler instanceof OverlayBundler ? bundler.mounter : undefined;
  const image = mounter === undefined
    ? await found.pull(report)
    : await found.prepare(report, { mounter });
  return { reference, image, bundler };
}

/** Removes the bundles of processes that were killed, and says which ones are left and why. */
async function reportLeftBundles(session: Session, store: string): Promise<void> {
  const { left } = await removeDeadBundles(store, { signal: session.signal });
  for (const { path, container, reason } of left) {
    session.warn(
      reason === undefined
        ? `container ${container} of an "oci run" that was killed still runs; ` +
          `end it with "oci unbundle ${path}"`
        : `a killed process left ${path}, which cannot be removed: ${reason}`,
    );
  }
}
