import { RemoteClient } from "../../registry/client/remote_client.ts";
import { type ImageLocation, isArchiveLocation } from "../../registry/image_location.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import { OciError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageArchive } from "../../store/archives/image_archive.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import { findReference } from "../../store/content/layout_index.ts";
import { readStoredDocument } from "../../store/images/stored_document.ts";
import type { OpenSource } from "../../store/moving/endpoint.ts";
import { LayoutContent } from "../../store/moving/layout_content.ts";
import { openCopySource, sourceOfArchive } from "../../store/moving/open_endpoints.ts";
import { isStored } from "../../store/moving/stored_graph.ts";
import { storeDirectory } from "../directory.ts";
import { NotCachedError } from "../errors.ts";
import { copyBetween, locationOf, verifiedBy } from "./_copy_locations.ts";
import type { PullArtifactOptions, PulledArtifact } from "./artifact_options.ts";

/**
 * Pulls a document and everything that it refers to into the store, following the policy.
 *
 * @param opened Open archive, for a location of an archive that can be read only once.
 */
export async function bringArtifact(
  place: Reference | ImageLocation | string,
  options: PullArtifactOptions,
  opened?: ImageArchive,
): Promise<PulledArtifact> {
  const { onWarning, onWait, signal } = options;
  const location = locationOf(place);
  const store = await ContentStore.open(options.store ?? storeDirectory(), { onWait });
  const { pullPolicy = location.transport === "docker" ? "IfNotPresent" : "Always" } = options;
  const named = location.transport === "docker" ? location.reference : undefined;
  const known = named && await findComplete(store, named);
  if (named !== undefined && known !== undefined) {
    const isWanted = pullPolicy === "IfNotPresent" || pullPolicy === "Never" || named.digest;
    if (isWanted) {
      const found = await describe(store, named, known, true);
      await checkStored(store, found, { ...options, pullPolicy });
      return found;
    }
  }
  if (pullPolicy === "Never" && named !== undefined) throw new NotCachedError(named, undefined);
  await using stack = new AsyncDisposableStack();
  const unverified = opened !== undefined && isArchiveLocation(location)
    ? sourceOfArchive(opened, location)
    : await openSource(location, store, options, stack);
  const source = await verifiedBy(options.verify, unverified);
  const reference = named ?? await unverified.reference();
  const name = formatReference(reference);
  const target = {
    label: name,
    content: new LayoutContent(store),
    name,
    digest: reference.digest,
  };
  const { jobs, onProgress, onDocument } = options;
  // Blobs are stored before anything references them.
  using _hold = await store.hold(signal);
  const copied = await copyBetween(source, target, {
    jobs,
    onProgress,
    onWarning,
    signal,
    successors: onDocument && (async ({ document }, all) => {
      if (document !== undefined) await onDocument(document);
      return all;
    }),
  });
  return await describe(store, reference, copied.descriptor, copied.copied === 0);
}

/** Checks the signature of a stored document if it must have one. */
async function checkStored(
  store: ContentStore,
  { document, reference }: PulledArtifact,
  options: PullArtifactOptions,
): Promise<void> {
  const { verify } = options;
  if (verify === undefined) return;
  const { checkSignature } = await import("../check_signature.ts");
  using stack = new DisposableStack();
  const client = options.client ?? stack.use(new RemoteClient());
  await checkSignature(document, verify, { store, client, reference, options });
}

/** Opens the source of a document, which the stack closes. */
async function openSource(
  location: ImageLocation,
  store: ContentStore,
  options: PullArtifactOptions,
  stack: AsyncDisposableStack,
): Promise<OpenSource> {
  const { auth, caCerts, onWarning, signal } = options;
  const client = options.client ?? stack.use(new RemoteClient());
  const spoolDirectory = () => `${store.path}/ingest`;
  const source = { client, auth, caCerts, onWarning, signal, spoolDirectory };
  return stack.use(await openCopySource(location, source));
}

/** Returns the stored document of a reference if it is complete. */
async function findComplete(
  store: ContentStore,
  reference: Reference,
): Promise<Descriptor | undefined> {
  const found = findReference(await store.references(), formatReference(reference))?.descriptor;
  if (found === undefined || (reference.digest && found.digest !== reference.digest)) {
    return undefined;
  }
  return await isStored(store, found) ? found : undefined;
}

async function describe(
  store: ContentStore,
  reference: Reference,
  { digest, size }: Descriptor,
  isCached: boolean,
): Promise<PulledArtifact> {
  const document = await readStoredDocument(store, { digest, size });
  if (document === undefined) {
    throw new OciError("it was removed from the store in the meantime", {
      code: "missing-content",
      action: `read ${digest} from "${store.path}"`,
      subject: digest,
      advice: "Try again",
    });
  }
  return { reference, document, isCached };
}
