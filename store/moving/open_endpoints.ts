import type {
  DockerArchiveLocation,
  ImageLocation,
  LayoutLocation,
  OciArchiveLocation,
} from "../../registry/image_location.ts";
import { formatReference, parseReference, type Reference } from "../../registry/reference.ts";
import type { RemoteClient } from "../../registry/client/remote_client.ts";
import {
  RepositoryContent,
  type RepositoryContentOptions,
} from "../../registry/client/repository_content.ts";
import type { ContentOptions } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageArchive } from "../archives/image_archive.ts";
import { ContentStore } from "../content/content_store.ts";
import { findHeld, type Held } from "../content/find_held.ts";
import { UntrustedStoreError } from "../errors.ts";
import { lstatIfAny } from "../host/durable.ts";
import { LayoutClient } from "../images/layout_client.ts";
import type { CopySource, CopyTarget } from "./endpoint.ts";
import { LayoutContent } from "./layout_content.ts";
import { LayoutWriter } from "./_layout_writer.ts";

/** Options for opening source and target of a copy. */
export interface EndpointOptions extends RepositoryContentOptions, ContentOptions {
  /** Client for registries. The caller disposes of it. */
  readonly client: RemoteClient;
  /** Returns the directory for temporary copies of archives that are compressed. */
  readonly spoolDirectory: () => string;
  /** Receives an archive that is written to `-`, such as stdout. */
  readonly output?: { write(bytes: Uint8Array): Promise<void> } | undefined;
}

type ArchiveLocation = OciArchiveLocation | DockerArchiveLocation;

/** Opens the source of a copy. */
export async function openCopySource(
  location: ImageLocation,
  options: EndpointOptions,
): Promise<CopySource> {
  switch (location.transport) {
    case "docker":
      return registrySource(location.reference, options);
    case "oci":
      return await layoutSource(location, options);
    case "oci-archive":
    case "docker-archive":
      return await archiveSource(location, options);
  }
}

/** Opens the target of a copy. */
export async function openCopyTarget(
  location: ImageLocation,
  options: EndpointOptions,
): Promise<CopyTarget> {
  switch (location.transport) {
    case "docker":
      return registryTarget(location.reference, options);
    case "oci":
      return await layoutTarget(location, options);
    case "oci-archive":
    case "docker-archive":
      return await archiveTarget(location, options);
  }
}

function registrySource(reference: Reference, options: EndpointOptions): CopySource {
  const { client, auth, caCerts, onWarning } = options;
  return {
    label: formatReference(reference),
    content: new RepositoryContent(client, reference, options),
    root: ({ signal } = {}) => client.resolve(reference, { auth, caCerts, onWarning, signal }),
    nameOfTag: (tag) => tag,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function registryTarget(reference: Reference, options: EndpointOptions): CopyTarget {
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

async function layoutSource(
  location: LayoutLocation,
  { signal }: EndpointOptions,
): Promise<CopySource> {
  const store = await ContentStore.open(location.path, { foreign: true });
  const find = async () => {
    const layout = await LayoutClient.open(location);
    return await layout.resolve(layout.reference);
  };
  const root = await holdInLayout(location.path, find, signal);
  return {
    label: labelOf(location),
    content: new LayoutContent(store),
    root: () => Promise.resolve(root.found),
    nameOfTag: (tag) => tag,
    [Symbol.asyncDispose]: () => Promise.resolve(root[Symbol.dispose]()),
  };
}

async function layoutTarget(
  location: LayoutLocation,
  { signal }: EndpointOptions,
): Promise<CopyTarget> {
  const { path, name, digest } = location;
  const writer = await LayoutWriter.create(path, signal);
  return {
    label: labelOf(location),
    content: writer,
    name,
    digest,
    nameOfTag: (tag) => tag,
    keep: (descriptor, { signal } = {}) => writer.keep(descriptor, signal),
    commit: () => writer.commit(),
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}

function labelOf(location: LayoutLocation | ArchiveLocation): string {
  const { transport, path, name } = location;
  const digest = transport === "oci" ? location.digest : undefined;
  const version = digest === undefined ? "" : `@${digest}`;
  return `${transport}:${path}${name === undefined ? "" : `:${name}`}${version}`;
}

async function archiveSource(
  location: ArchiveLocation,
  { spoolDirectory, signal }: EndpointOptions,
): Promise<CopySource> {
  const { ImageArchive } = await import("../archives/image_archive.ts");
  const archive = await ImageArchive.open(location.path, {
    format: location.transport,
    spoolDirectory: spoolDirectory(),
    signal,
  });
  return {
    ...sourceOfArchive(archive, location),
    [Symbol.asyncDispose]: () => Promise.resolve(archive[Symbol.dispose]()),
  };
}

/** Makes a source of an open archive, which the caller disposes of. */
export function sourceOfArchive(archive: ImageArchive, location: ArchiveLocation): CopySource {
  return {
    label: labelOf(location),
    content: archive,
    root: () => Promise.try(() => archive.find(location.name).descriptor),
    nameOfTag: (tag) => tag,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function archiveTarget(
  location: ArchiveLocation,
  { output }: EndpointOptions,
): Promise<CopyTarget> {
  const { path, transport, name } = location;
  const isDocker = transport === "docker-archive";
  // Docker knows full names only.
  const full = isDocker && name !== undefined ? formatReference(parseReference(name)) : name;
  const { ImageArchiveWriter } = await import("../archives/archive_writer.ts");
  const writer = await ImageArchiveWriter.create(path, transport, {
    output: path === "-" ? output : undefined,
  });
  return {
    label: labelOf(location),
    content: writer,
    name: full,
    isForOnePlatform: isDocker,
    // Docker knows images only.
    nameOfTag: (tag) => isDocker ? undefined : tag,
    keep: (descriptor) => writer.keep(descriptor),
    commit: () => writer.commit(),
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}

/**
 * Finds a document in a layout. If the layout is a store of this user, protects the document and
 * everything that it references against pruning. Writes nothing to layouts of other programs.
 *
 * @param path Directory of the layout.
 * @param find Looks the document up.
 * @param signal Aborts the wait for another process.
 */
async function holdInLayout(
  path: string,
  find: () => Promise<Descriptor>,
  signal: AbortSignal | undefined,
): Promise<Held<Descriptor>> {
  const store = await openOwnStore(path);
  if (store !== undefined) return await findHeld(store, find, (root) => [root], signal);
  return { found: await find(), [Symbol.dispose]() {} };
}

/** Opens a layout as a store; `undefined` if no process of this user can prune it or write to it. */
async function openOwnStore(path: string): Promise<ContentStore | undefined> {
  const locks = `${path}/locks`;
  if (lstatIfAny(locks) === undefined) return undefined;
  const { state } = Deno.permissions.querySync({ name: "write", path: locks });
  if (state !== "granted") return undefined;
  try {
    return await ContentStore.open(path);
  } catch (error) {
    if (error instanceof UntrustedStoreError) return undefined;
    throw error;
  }
}
