import { isDigest } from "../digest.ts";
import { LimitError } from "../errors.ts";
import type { Platform } from "../platform.ts";
import type { Descriptor } from "./descriptor.ts";
import type { ImageDocument, RemoteImage } from "./image.ts";
import { parseConfigOrArtifact } from "./image_config.ts";
import { type Index, type ManifestDocument, MAX_INDEX_DEPTH, parseManifest } from "./manifest.ts";
import { isConfigMediaType } from "./media_types.ts";
import { chooseEntry, choosePlatform, isRunnable } from "./platform_choice.ts";

/** Options for {@linkcode choosePlatformByConfig}. */
export interface ChooseByConfigOptions {
  /**
   * Name of the image in errors.
   *
   * @default {"the image"}
   */
  readonly subject?: string | undefined;
  /** Called to read a manifest, an index or a config; returns `undefined` if it is missing. */
  readonly read: (descriptor: Descriptor) => Promise<Uint8Array | undefined>;
}

/** Maximum number of entries without a platform to look into. */
const MAX_UNDECLARED = 32;
/** Maximum depth of nested indexes to look into. */
const MAX_DEPTH = 4;
/** Maximum number of documents and configs that are read for a choice. */
const MAX_READS = 512;

/**
 * Selects the index entry that best matches a platform, like {@linkcode choosePlatform}. If no
 * entry with a platform matches, the platforms of the other entries are read from their configs, or
 * from nested indexes. A single entry is selected without reading its config.
 *
 * @param index The index.
 * @param wanted Platform to run on; or several in order of preference.
 * @param options Callback to read documents, and the name of the image.
 * @returns The entry, unchanged.
 * @throws {PlatformError} If no entry fits; it lists the platforms that were found.
 *
 * @example Choose between entries without a platform
 * ```ts
 * import { parseReference, RemoteClient, RepositoryContent } from "@x/oci/registry";
 * import { choosePlatform, choosePlatformByConfig, parsePlatform } from "@x/oci/spec";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const alpine = parseReference("alpine:3.20");
 * const content = new RepositoryContent(client, alpine);
 * const { value: document } = await client.document(alpine);
 * assert(document.kind === "index");
 * const index = document.value;
 * const bare = { ...index, manifests: index.manifests.map(({ platform: _, ...entry }) => entry) };
 *
 * const arm64 = parsePlatform("linux/arm64");
 * const chosen = await choosePlatformByConfig(bare, arm64, {
 *   read: async (descriptor) => await new Response(await content.fetch(descriptor)).bytes(),
 * });
 *
 * assertEquals(chosen.digest, choosePlatform(index, arm64).digest);
 * ```
 */
export async function choosePlatformByConfig(
  index: Index,
  wanted: Platform | readonly [Platform, ...Platform[]],
  { subject, read }: ChooseByConfigOptions,
): Promise<Descriptor> {
  const entries = index.manifests.filter(isRunnable);
  const unknown = entries.filter(({ platform, digest }) => {
    return platform === undefined && isDigest(digest);
  });
  if (unknown.length === 0 || entries.length === 1) return choosePlatform(index, wanted, subject);
  const choices = "os" in wanted ? [wanted] as const : wanted;
  const declared = entries.filter(({ platform }) => platform !== undefined);
  const fitting = chooseEntry(declared.filter(({ digest }) => isDigest(digest)), choices);
  if (fitting !== undefined) return fitting;
  const found: Candidate[] = [];
  let reads = 0;
  const readSome = async (descriptor: Descriptor) => {
    return ++reads > MAX_READS ? undefined : await read(descriptor);
  };
  for (const entry of unknown.slice(0, MAX_UNDECLARED)) {
    const platforms = await platformsIn(entry, readSome, 0);
    found.push(...platforms.map((platform) => ({ ...entry, platform, entry })));
  }
  const unspecified = found.filter(({ platform }) => platform.os === "");
  const chosen = chooseEntry(found, choices) ??
    (unspecified.length === 1 ? unspecified[0] : undefined);
  if (chosen !== undefined) return chosen.entry;
  const known = found.filter((candidate) => !unspecified.includes(candidate));
  return choosePlatform({ ...index, manifests: [...declared, ...known] }, wanted, subject);
}

/** An entry with the platform that its config names, which is empty if the config names none. */
type Candidate = Descriptor & { readonly platform: Platform; readonly entry: Descriptor };

/** Returns the platforms of an entry, from its config or from the entries of a nested index. */
async function platformsIn(
  entry: Descriptor,
  read: ChooseByConfigOptions["read"],
  depth: number,
): Promise<readonly Platform[]> {
  const bytes = await read(entry);
  if (bytes === undefined) return [];
  const { kind, value } = parseManifest(bytes, entry.mediaType, Infinity);
  if (kind === "manifest") {
    const config = isConfigMediaType(value.config.mediaType) && await read(value.config);
    const parsed = config ? parseConfigOrArtifact(config, value) : "";
    return typeof parsed === "string" ? [] : [parsed.platform];
  }
  const platforms: Platform[] = [];
  for (const child of value.manifests.filter(isRunnable).slice(0, MAX_UNDECLARED)) {
    if (child.platform !== undefined) platforms.push(child.platform);
    else if (depth < MAX_DEPTH) platforms.push(...await platformsIn(child, read, depth + 1));
  }
  return platforms;
}

/** Options for {@linkcode followPlatform}. */
export interface FollowPlatformOptions<Missing> extends ChooseByConfigOptions {
  /** The platform to choose. */
  readonly platform: Platform;
  /** Name of the image in errors. */
  readonly subject: string;
  /** Reads an entry of an index; `undefined` if it is missing. */
  readonly next: (entry: Descriptor) => Promise<ImageDocument<ManifestDocument> | Missing>;
  /** Replaces the chosen entry of an index, for example if it is missing. */
  readonly replace?: ((chosen: Descriptor, index: Index) => Promise<Descriptor>) | undefined;
}

/**
 * Follows an index and its nested indexes to the manifest for a platform.
 *
 * @returns The documents; `undefined` if one is missing.
 * @throws {LimitError} If too many indexes are nested.
 */
export async function followPlatform<Missing extends undefined = never>(
  first: ImageDocument<ManifestDocument> | Missing,
  { platform, subject, read, next, replace }: FollowPlatformOptions<Missing>,
): Promise<Pick<RemoteImage, "indexes" | "manifest"> | Missing> {
  const indexes: ImageDocument<Index>[] = [];
  let document: ImageDocument<ManifestDocument> | undefined = first;
  while (document !== undefined) {
    const { descriptor, bytes, value: { kind, value } } = document;
    if (kind === "manifest") return { indexes, manifest: { descriptor, bytes, value } };
    if (indexes.length === MAX_INDEX_DEPTH) {
      throw new LimitError("nested indexes", MAX_INDEX_DEPTH, indexes.length + 1, `"${subject}"`);
    }
    indexes.push({ descriptor, bytes, value });
    const chosen = await choosePlatformByConfig(value, platform, { subject, read });
    document = await next(await replace?.(chosen, value) ?? chosen);
  }
  return undefined as Missing;
}
