import { RemoteClient } from "../../registry/client/remote_client.ts";
import { type ImageLocation, isArchiveLocation } from "../../registry/image_location.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import { isTransient } from "../../registry/transport/retry.ts";
import { describeError } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageArchive } from "../../store/archives/image_archive.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import { findReference } from "../../store/content/layout_index.ts";
import { readStoredDocument } from "../../store/images/stored_document.ts";
import { LayoutContent } from "../../store/moving/layout_content.ts";
import { isStored } from "../../store/moving/stored_graph.ts";
import { NotCachedError } from "../errors.ts";
import { storeDirectory } from "../store_directory.ts";
import { copyBetween, endpointOptions, locationOf, verifiedBy } from "./copy_locations.ts";
import type { PullArtifactOptions, PulledArtifact } from "./moving_options.ts";
import { openCopySource, sourceOfArchive } from "./open_endpoints.ts";

/**
 * Pulls a document and everything that it refers to into the store, following the policy.
 *
 * @param archive Open archive, for a location in an archive that can be read only once.
 */
export async function pullDocument(
  place: Reference | ImageLocation | string,
  options: PullArtifactOptions,
  archive?: ImageArchive,
): Promise<PulledArtifact> {
  using stack = new DisposableStack();
  const client = options.client ?? stack.use(new RemoteClient());
  const location = locationOf(place);
  const pulled = await pullFrom(location, { ...options, client }, archive);
  const { checkTag: isChecked, pullPolicy } = options;
  if (isChecked && location.transport === "docker" && pullPolicy !== "Never") {
    const { checkTag } = await import("../check_tag.ts");
    await checkTag(client, location.reference, options);
  }
  return pulled;
}

/** Options with a client, which the caller disposes of. */
type PullFromOptions = PullArtifactOptions & { readonly client: RemoteClient };

async function pullFrom(
  location: ImageLocation,
  options: PullFromOptions,
  archive: ImageArchive | undefined,
): Promise<PulledArtifact> {
  const { onWait, onWarning, signal } = options;
  const store = await ContentStore.open(options.store ?? storeDirectory(), { onWait });
  const fetch = async () => {
    try {
      return await fetchDocument(location, store, options, archive);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  };
  if (location.transport !== "docker") return await fetch();
  const { reference } = location;
  const { pullPolicy = "IfNotPresent" } = options;
  const known = await findComplete(store, reference);
  if (known === undefined && pullPolicy === "Never") throw new NotCachedError(reference);
  if (known === undefined) return await fetch();
  const useKnown = () => useStored(store, reference, known, { ...options, pullPolicy });
  const asksRegistry = pullPolicy === "Always" || pullPolicy === "Newer";
  if (!asksRegistry || reference.digest !== undefined) return await useKnown();
  try {
    return await fetch();
  } catch (error) {
    signal?.throwIfAborted();
    if (pullPolicy !== "Newer" || !isTransient(error)) throw error;
    onWarning?.(`Using the artifact in the store: ${describeError(error)}`);
    return await useKnown();
  }
}

/** Copies a document and everything that it refers to into the store. */
async function fetchDocument(
  location: ImageLocation,
  store: ContentStore,
  options: PullFromOptions,
  archive: ImageArchive | undefined,
): Promise<PulledArtifact> {
  await using stack = new AsyncDisposableStack();
  const { auth, caCerts, signal } = options;
  const unverified = archive !== undefined && isArchiveLocation(location)
    ? sourceOfArchive(archive, location)
    : stack.use(
      await openCopySource(location, { ...endpointOptions(options, stack), auth, caCerts }),
    );
  const source = await verifiedBy(options.verify, unverified);
  const root = await source.root({ signal });
  const reference = location.transport === "docker"
    ? location.reference
    : await unverified.reference();
  const name = formatReference(reference);
  const target = {
    label: name,
    content: new LayoutContent(store),
    name,
    digest: reference.digest,
  };
  const { jobs, onProgress, onDocument, onWarning } = options;
  // Blobs are stored before anything references them.
  using _hold = await store.hold(signal);
  const copied = await copyBetween({ ...source, root: () => Promise.resolve(root) }, target, {
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

/** Returns a stored artifact, after checking its signature if it must have one. */
async function useStored(
  store: ContentStore,
  reference: Reference,
  descriptor: Descriptor,
  options: PullFromOptions,
): Promise<PulledArtifact> {
  const found = await describe(store, reference, descriptor, true);
  if (options.verify === undefined) return found;
  const { checkSignature } = await import("../check_signature.ts");
  const { client } = options;
  await checkSignature(found.document, options.verify, { store, client, reference, options });
  return found;
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
