import type { ImageProgress } from "../registry/image_client.ts";
import { formatReference, type Reference } from "../registry/reference.ts";
import type { Image } from "../store/image.ts";
import { openBundler } from "../store/open_bundler.ts";
import { OverlayBundler } from "../store/overlay/overlay_bundler.ts";
import type { UncompressedBundler } from "../store/uncompressed/uncompressed_bundler.ts";
import type { ContainerOptions } from "./_container_options.ts";
import type { RegistryOptions } from "./_options.ts";
import { openPuller } from "./_puller.ts";
import { readSource } from "./_references.ts";
import type { Session } from "./_session.ts";
import { showProgress } from "./_show_progress.ts";
import { openStore } from "./_store.ts";

/** An image in the store, and what bundles it. */
export interface Bundling {
  readonly reference: Reference;
  readonly image: Image;
  readonly bundler: OverlayBundler | UncompressedBundler;
}

/** Brings the image that the first operand names into the store, as the policy says. */
export async function prepareBundling(session: Session): Promise<Bundling> {
  const { bundler: kind, jobs } = session.options<ContainerOptions & RegistryOptions>();
  const { signal, warn: onWarning } = session;
  const source = readSource(session.operands[0] ?? "");
  using puller = await openPuller(session);
  const found = await puller.find(source);
  const { reference } = found;
  session.workOn(formatReference(reference));
  const bundler = await openBundler(await openStore(session), {
    ...{ kind, signal, onWarning },
    ...(jobs === undefined ? {} : { jobs }),
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
