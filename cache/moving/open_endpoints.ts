import type { RemoteClient } from "../../registry/client/remote_client.ts";
import {
  RepositoryContent,
  type RepositoryContentOptions,
} from "../../registry/client/repository_content.ts";
import {
  type ArchiveLocation,
  entryIndex,
  type ImageLocation,
  isArchiveLocation,
} from "../../registry/image_location.ts";
import { formatReference, parseReference, type Reference } from "../../registry/reference.ts";
import { explainedError } from "../../spec/error_facts.ts";
import type { ContentOptions } from "../../spec/image/content.ts";
import type { ImageArchive } from "../../store/archives/image_archive.ts";
import { type CopyTarget, labelOf, type OpenSource } from "../../store/moving/endpoint.ts";
import type { LayoutWriter } from "../../store/moving/layout_writer.ts";

/** Options for opening source and target of a copy. */
export interface EndpointOptions extends RepositoryContentOptions, ContentOptions {
  /** Client for registries. The caller disposes of it. */
  readonly client: RemoteClient;
  /** Returns the directory for temporary copies of compressed archives. */
  readonly spoolDirectory: () => string;
  /** Sink for an archive that is written to `-`, such as stdout. */
  readonly output?: { write(bytes: Uint8Array): Promise<void> } | undefined;
  /** Open writer for a layout as the target, which several copies share; its owner commits it. */
  readonly layout?: LayoutWriter | undefined;
}

/** Opens the source of a copy. */
export async function openCopySource(
  location: ImageLocation,
  options: EndpointOptions,
): Promise<OpenSource> {
  if (location.transport === "docker") return registrySource(location.reference, options);
  if (isArchiveLocation(location)) return await archiveSource(location, options);
  const { openLayoutSource } = await import("./_layout_endpoints.ts");
  return await openLayoutSource(location, options);
}

/** Opens the target of a copy. */
export async function openCopyTarget(
  location: ImageLocation,
  options: EndpointOptions,
): Promise<CopyTarget & AsyncDisposable> {
  if (location.transport === "docker") return registryTarget(location.reference, options);
  if (location.name !== undefined && entryIndex(location.name) !== undefined) {
    throw explainedError(SyntaxError, {
      code: "invalid-reference",
      action: `write to "${labelOf(location)}"`,
      subject: location.name,
      problem: `"${location.name}" is the index of an existing image`,
      advice: "Specify a name, or none",
    });
  }
  if (isArchiveLocation(location)) return await archiveTarget(location, options);
  const { openLayoutTarget } = await import("./_layout_endpoints.ts");
  return await openLayoutTarget(location, options);
}

function registrySource(
  reference: Reference,
  options: EndpointOptions,
): OpenSource {
  const { client, auth, caCerts, onWarning } = options;
  return {
    label: formatReference(reference),
    content: new RepositoryContent(client, reference, options),
    root: ({ signal } = {}) => client.resolve(reference, { auth, caCerts, onWarning, signal }),
    reference: () => Promise.resolve(reference),
    nameOfTag: (tag) => tag,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function registryTarget(
  reference: Reference,
  options: EndpointOptions,
): CopyTarget & AsyncDisposable {
  const { tag, digest } = reference;
  return {
    label: formatReference(digest === undefined ? reference : { ...reference, digest }),
    content: new RepositoryContent(options.client, reference, { ...options, isTarget: true }),
    // Without a tag, the digest identifies the pushed document.
    name: tag,
    digest,
    nameOfTag: (tag) => tag,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function archiveSource(
  location: ArchiveLocation,
  { spoolDirectory, signal, onWarning }: EndpointOptions,
): Promise<OpenSource> {
  const { ImageArchive } = await import("../../store/archives/image_archive.ts");
  const archive = await ImageArchive.open(location.path, {
    format: location.transport,
    spoolDirectory: spoolDirectory(),
    signal,
    onWarning,
  });
  return {
    ...sourceOfArchive(archive, location),
    [Symbol.asyncDispose]: () => Promise.resolve(archive[Symbol.dispose]()),
  };
}

/** Creates a source from an open archive, which the caller disposes of. */
export function sourceOfArchive(
  archive: ImageArchive,
  location: ArchiveLocation,
): Omit<OpenSource, typeof Symbol.asyncDispose> {
  return {
    label: labelOf(location),
    content: archive,
    root: () => Promise.try(() => archive.find(location.name).descriptor),
    reference: async () => {
      const { LayoutClient } = await import("../../store/images/layout_client.ts");
      return (await LayoutClient.find(archive, location)).reference;
    },
    nameOfTag: (tag) => tag,
  };
}

async function archiveTarget(
  location: ArchiveLocation,
  { output }: EndpointOptions,
): Promise<CopyTarget & AsyncDisposable> {
  const { path, transport, name } = location;
  const isDocker = transport === "docker-archive";
  // Docker only accepts full names.
  const full = isDocker && name !== undefined ? formatReference(parseReference(name)) : name;
  const { ImageArchiveWriter } = await import("../../store/archives/archive_writer.ts");
  const writer = await ImageArchiveWriter.create(path, transport, {
    output: path === "-" ? output : undefined,
  });
  return {
    label: labelOf(location),
    content: writer,
    name: full,
    isForOnePlatform: isDocker,
    // Docker only accepts images.
    nameOfTag: (tag) => isDocker ? undefined : tag,
    keep: (descriptor) => writer.keep(descriptor),
    commit: () => writer.commit(),
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}
