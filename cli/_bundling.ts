import { formatReference, type Reference } from "../registry/mod.ts";
import {
  type Image,
  openBundler,
  type OverlayBundler,
  type UncompressedBundler,
} from "../store/mod.ts";
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
  const { reference, image } = await pullOperand(session);
  const bundler = await openBundler(await openStore(session), {
    ...{ kind, signal, onWarning },
    ...(jobs === undefined ? {} : { jobs }),
  });
  return { reference, image, bundler };
}

async function pullOperand(session: Session): Promise<Omit<Bundling, "bundler">> {
  const source = readSource(session.operands[0] ?? "");
  using puller = await openPuller(session);
  const { reference, pull } = await puller.find(source);
  session.workOn(formatReference(reference));
  using progress = showProgress(session);
  const image = await pull((event) => {
    // What is in the store already is not worth a word beside what the container says.
    if (!event.cached) progress.report(event);
  });
  return { reference, image };
}
