import { hostPlatform } from "../../registry/host_platform.ts";
import type { ImageLocation } from "../../registry/image_location.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isIndexMediaType } from "../../spec/image/media_types.ts";
import { present } from "../../spec/json.ts";
import { formatPlatform, type Platform, toPlatform } from "../../spec/platform.ts";
import type { TrustedSigner } from "../../store/attachments/trusted_signer.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import { parseStoredName } from "../../store/content/layout_index.ts";
import type { StoredReference } from "../../store/content/layout_index.ts";
import { StoreError } from "../../store/errors.ts";
import { chooseManifest } from "../../store/moving/choose_platforms.ts";
import { chooseStored } from "../../store/moving/choose_stored.ts";
import type { CopySource } from "../../store/moving/endpoint.ts";
import { LayoutContent } from "../../store/moving/layout_content.ts";
import { isStored, storedMounts } from "../../store/moving/stored_graph.ts";
import { storeDirectory } from "../store_directory.ts";
import { findStored } from "./_find_stored.ts";
import { copyBetween, endpointOptions, locationOf } from "./copy_locations.ts";
import type { PushedImage, PushOptions } from "./moving_options.ts";
import { type EndpointOptions, openCopyTarget } from "./open_endpoints.ts";

/** Pushes the stored document of a name. */
export async function pushStored(
  reference: Reference | string,
  target: Reference | ImageLocation | string,
  options: PushOptions & Pick<EndpointOptions, "layout">,
): Promise<PushedImage> {
  const { auth, onWait, signal } = options;
  const store = await ContentStore.open(options.store ?? storeDirectory(), { onWait });
  using held = await findStored(store, reference, "push", { signal });
  const { found } = held;
  const to = locationOf(target);
  if (options.verify !== undefined) await verifyStored(store, found, options.verify, signal);
  const source: CopySource = {
    label: found.name,
    content: new LayoutContent(store),
    root: () => Promise.resolve(found.descriptor),
    nameOfTag: (tag) => nameOfTag(found.name, tag),
  };
  const part = await choosePart(store, found, options);
  using stack = new DisposableStack();
  // Reads the documents of other repositories, so only for a blob that the target lacks.
  let mounts: Promise<Map<string, string>> | undefined;
  await using goal = await openCopyTarget(to, {
    ...endpointOptions(options, stack),
    auth,
    mountFrom: async ({ digest }) => {
      if (to.transport !== "docker") return undefined;
      return (await (mounts ??= storedMounts(store, to.reference))).get(digest);
    },
  });
  const chosen = part === undefined
    ? source
    : { ...source, root: () => Promise.resolve(part.descriptor) };
  const platforms = part === undefined ? options.platforms : undefined;
  const copied = await copyBetween(chosen, goal, { ...options, platforms });
  if (part === undefined) return { ...copied, partialPlatform: undefined };
  return { ...copied, isPart: true, partialPlatform: formatPlatform(part.platform) };
}

/** Verifies that the store has a signature of a stored document. */
async function verifyStored(
  store: ContentStore,
  { name, descriptor }: StoredReference,
  signer: TrustedSigner,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { collectionAttachments } = await import("../../store/attachments/attachment_source.ts");
  const { checkContent } = await import("../check_signature.ts");
  const attachments = collectionAttachments(store);
  const content = new LayoutContent(store);
  await checkContent({ label: name, content, attachments }, descriptor, signer, signal);
}

/** Returns the name of another tag; `undefined` for a name that another tool wrote. */
function nameOfTag(name: string, tag: string): string | undefined {
  const reference = parseStoredName(name);
  if (reference === undefined) return undefined;
  const { registry, repository } = reference;
  return formatReference({ registry, repository, tag });
}

/** Chooses the part of an incomplete index that can be pushed. */
async function choosePart(
  store: ContentStore,
  found: StoredReference,
  { platforms = [], allPlatforms = false, signal }: PushOptions,
): Promise<{ readonly descriptor: Descriptor; readonly platform: Platform } | undefined> {
  const { descriptor, name } = found;
  if (!isIndexMediaType(descriptor.mediaType)) return undefined;
  for (const platform of platforms) {
    await requirePlatform(store, found, toPlatform(platform), signal);
  }
  if (platforms.length > 0) return undefined;
  if (await isStored(store, descriptor)) return undefined;
  if (allPlatforms) {
    throw new StoreError("the store does not have all of them", store.path, {
      code: "partly-in-store",
      action: `push all platforms of "${name}"`,
      subject: name,
      advice: "Pull them first",
    });
  }
  const chosen = await chooseStored(store, descriptor, { label: name, signal });
  const { mediaType, digest, size, platform } = chosen;
  return {
    descriptor: { mediaType, digest, size, ...present({ platform }) },
    platform: platform ?? hostPlatform(),
  };
}

/** Throws an error if the store does not have the image for a platform of an index. */
async function requirePlatform(
  store: ContentStore,
  { descriptor, name }: StoredReference,
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<void> {
  const choice = { label: name, signal };
  const chosen = await chooseManifest(new LayoutContent(store), descriptor, platform, choice);
  if (await isStored(store, chosen)) return;
  throw new StoreError("the store does not have it", store.path, {
    code: "partly-in-store",
    action: `push ${formatPlatform(platform)} of "${name}"`,
    subject: name,
    advice: "Pull it first",
    option: "platforms",
  });
}
