import { RemoteClient } from "../../registry/client/remote_client.ts";
import { hostPlatform } from "../../registry/host_platform.ts";
import { type ImageLocation, parseImageLocation } from "../../registry/image_location.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import { explainedError } from "../../spec/error_facts.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { bareDescriptor, type Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType, isIndexMediaType } from "../../spec/image/media_types.ts";
import { type Platform, toPlatform } from "../../spec/platform.ts";
import type { AttachmentSource } from "../../store/attachments/attachment_source.ts";
import type { TrustedSigner } from "../../store/attachments/trusted_signer.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import { copyToTarget, type CopyToTargetOptions } from "../../store/moving/copy_graph.ts";
import type { CopyGraphOptions } from "../../store/moving/copy_options.ts";
import type { CopySource, CopyTarget } from "../../store/moving/endpoint.ts";
import { storeDirectory } from "../store_directory.ts";
import { CopyMeter } from "./_copy_meter.ts";
import type { SignatureTarget } from "./copy_signatures.ts";
import type { CopiedImage, CopyOptions } from "./moving_options.ts";
import { type EndpointOptions, openCopySource, openCopyTarget } from "./open_endpoints.ts";

export async function copyLocations(
  source: Reference | ImageLocation | string,
  target: Reference | ImageLocation | string,
  options: CopyOptions & Pick<EndpointOptions, "layout">,
): Promise<CopiedImage> {
  const [from, to] = [locationOf(source), locationOf(target)];
  const { sourceAuth, targetAuth, signal } = options;
  using stack = new DisposableStack();
  const common = endpointOptions(options, stack);
  await using unverified = await openCopySource(from, { ...common, auth: sourceAuth });
  const opened = await verifiedBy(options.verify, unverified);
  const mountFrom = mountable(from, to);
  await using goal = await openCopyTarget(to, { ...common, auth: targetAuth, mountFrom });
  if (!options.keep || options.dryRun || from.transport !== "docker") {
    return await copyBetween(opened, goal, options);
  }
  const store = await ContentStore.open(options.store ?? storeDirectory());
  // Content without a name must not be pruned yet.
  using _hold = await store.hold(signal);
  const kept = await keepSource(opened, store, from.reference, options);
  return await copyBetween(kept, goal, options);
}

/** Returns the options that the source and the target of a copy share. The stack owns a new client. */
export function endpointOptions(
  { client, onWarning, signal, output, layout, store }:
    & Pick<CopyOptions, "client" | "onWarning" | "signal" | "output" | "store">
    & Pick<EndpointOptions, "layout">,
  stack: { use<T extends Disposable>(resource: T): T },
): EndpointOptions {
  return {
    client: client ?? stack.use(new RemoteClient()),
    onWarning,
    signal,
    output,
    layout,
    spoolDirectory: () => `${store ?? storeDirectory()}/ingest`,
  };
}

/** Returns a source that refuses images without a signature of the signer, if there is one. */
export async function verifiedBy(
  signer: TrustedSigner | undefined,
  source: CopySource,
): Promise<CopySource> {
  if (signer === undefined) return source;
  const { checkContent } = await import("../check_signature.ts");
  const { label, content, nameOfTag } = source;
  const attachments: AttachmentSource = {
    fetch: (descriptor, reading) => content.fetch(descriptor, reading),
    referrers: async (descriptor, reading) => await content.referrers?.(descriptor, reading) ?? [],
    resolve: async (tag, reading) => {
      const name = nameOfTag?.(tag);
      return name === undefined ? undefined : await content.resolve(name, reading);
    },
  };
  return {
    ...source,
    root: async (reading = {}) => {
      const descriptor = await source.root(reading);
      await checkContent({ label, content, attachments }, descriptor, signer, reading.signal);
      return descriptor;
    },
  };
}

/** Copies an image into the store under its name, and returns the stored image as the source. */
async function keepSource(
  source: CopySource,
  store: ContentStore,
  reference: Reference,
  options: CopyOptions,
): Promise<CopySource> {
  const { platforms = [], jobs, withReferrers, foreignLayers, successors } = options;
  const { onProgress, onWarning, signal } = options;
  const { LayoutContent } = await import("../../store/moving/layout_content.ts");
  const name = formatReference(reference);
  const { registry, repository } = reference;
  const content = new LayoutContent(store);
  const target: CopyTarget = {
    label: name,
    content,
    name,
    digest: reference.digest,
    nameOfTag: (tag) => formatReference({ registry, repository, tag }),
  };
  const { descriptor } = await copyBetween(source, target, {
    jobs,
    withReferrers,
    foreignLayers,
    successors,
    onProgress,
    onWarning,
    signal,
    platforms,
    // In the store, the name must resolve to the same document as in the registry.
    sparse: platforms.length > 0,
  });
  return {
    label: name,
    content,
    root: () => Promise.resolve(descriptor),
    nameOfTag: target.nameOfTag,
  };
}

/** Copies from an open source to an open target. */
export async function copyBetween(
  source: CopySource,
  target: CopyTarget,
  options: CopyOptions,
): Promise<CopiedImage> {
  const { dryRun = false, withReferrers = false, signal } = options;
  const platforms = platformsOf(options);
  // Query both sides at the same time.
  const current = lookUpName(target, signal);
  const { root, successors, isPart } = await chooseContent(source, target, platforms, options);
  checkDigest(target, root, source.label);
  using meter = new CopyMeter(target.label, options.onProgress);
  const goal = dryRun ? dryTarget(target) : target;
  const graphOptions: CopyGraphOptions = {
    ...options,
    successors,
    onProgress: (progress) => meter.add(progress),
  };
  const stored = await copyToTarget(source.content, goal, root, {
    ...withReferrers ? withSignatures(source, goal, graphOptions) : graphOptions,
    current,
  });
  if (goal.name === undefined) await goal.keep?.(stored, { signal });
  await goal.commit?.();
  meter.end();
  return { target: target.label, descriptor: bareDescriptor(stored), isPart, ...meter.sum };
}

/** Returns the platforms to copy. An empty list means all of them. */
function platformsOf({ platforms = [], sparse = false }: CopyOptions): readonly Platform[] {
  if (platforms.length > 1 && !sparse) {
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: "copy several platforms without the others",
      problem: '"sparse" is not set',
      option: "sparse",
    });
  }
  return platforms.map(toPlatform);
}

/** Starts to look up the document that has the name at the target, if the target has a name. */
function lookUpName(
  { content, name }: CopyTarget,
  signal: AbortSignal | undefined,
): Promise<Descriptor | undefined> | undefined {
  const current = name === undefined ? undefined : content.resolve(name, { signal });
  // The copy awaits it only after the source has responded, which may fail first.
  current?.catch(() => {});
  return current;
}

/** Finds the document at the source, and chooses from it and its descendants by platform. */
async function chooseContent(
  source: CopySource,
  target: CopyTarget,
  platforms: readonly Platform[],
  { sparse = false, successors, signal }: CopyOptions,
): Promise<
  Pick<CopyGraphOptions, "successors"> & Pick<CopiedImage, "isPart"> & { readonly root: Descriptor }
> {
  const { content, label } = source;
  const found = await source.root({ signal });
  const isIndex = isIndexMediaType(found.mediaType);
  const [first = target.isForOnePlatform && isIndex ? hostPlatform() : undefined] = platforms;
  if (first === undefined) return { root: found, successors, isPart: false };
  const choice = await import("../../store/moving/choose_platforms.ts");
  const facts = { label, signal };
  if (!sparse || !isIndex) {
    const root = await choice.chooseManifest(content, found, first, facts);
    return { root, successors, isPart: root.digest !== found.digest };
  }
  const keep = choice.keepPlatforms(content, found, platforms, facts);
  return {
    root: found,
    isPart: false,
    successors: async (node, all) => {
      const kept = await keep(node, all);
      return await successors?.(node, kept) ?? kept;
    },
  };
}

/** Adds hooks that copy the signatures of all documents before the root gets its name. */
function withSignatures(
  source: CopySource,
  target: SignatureTarget,
  options: CopyGraphOptions,
): CopyToTargetOptions {
  const { jobs, foreignLayers, signal, onProgress, after, skipped } = options;
  const documents: Descriptor[] = [];
  return {
    ...options,
    after: async (node, stored) => {
      const isSame = stored.digest === node.descriptor.digest;
      if (node.document !== undefined && isSame) documents.push(stored);
      await after?.(node, stored);
    },
    skipped: async (descriptor) => {
      if (isDocumentMediaType(descriptor.mediaType)) documents.push(descriptor);
      await skipped?.(descriptor);
    },
    beforeName: async () => {
      const { copySignatures } = await import("./copy_signatures.ts");
      await copySignatures(source, target, documents, { jobs, foreignLayers, signal, onProgress });
    },
  };
}

/** Checks that the document has the digest that the target names, if it names one. */
function checkDigest({ digest }: CopyTarget, root: Descriptor, label: string): void {
  if (digest === undefined || digest === root.digest) return;
  const { digest: actual, size } = root;
  const source = `"${label}"`;
  throw new DigestMismatchError({ expected: digest, actual, size, source, option: "target" });
}

/** Returns the location that a caller specified in any form. */
export function locationOf(place: Reference | ImageLocation | string): ImageLocation {
  if (typeof place === "string") return parseImageLocation(place);
  return "transport" in place ? place : { transport: "docker", reference: place };
}

/** Returns the repository to mount blobs from, if source and target are in the same registry. */
function mountable(from: ImageLocation, to: ImageLocation): (() => string) | undefined {
  if (from.transport !== "docker" || to.transport !== "docker") return undefined;
  const { registry, repository } = from.reference;
  return to.reference.registry === registry ? () => repository : undefined;
}

/** Returns a target that reports the content of another target, and stores nothing. */
function dryTarget({ label, name, nameOfTag, content }: CopyTarget): CopyTarget {
  return {
    label,
    name,
    nameOfTag,
    content: {
      exists: (descriptor, options) => content.exists(descriptor, options),
      resolve: (name, options) => content.resolve(name, options),
      push: () => Promise.resolve(),
      tag: () => Promise.resolve(),
    },
  };
}
