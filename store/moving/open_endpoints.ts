import type {
  ImageLocation,
  LayoutLocation,
  RegistryLocation,
} from "../../registry/image_location.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import type { RemoteClient } from "../../registry/client/remote_client.ts";
import {
  RepositoryContent,
  type RepositoryContentOptions,
} from "../../registry/client/repository_content.ts";
import type { ContentOptions } from "../../spec/content.ts";
import { ContentStore } from "../content/content_store.ts";
import { LayoutClient } from "../images/layout_client.ts";
import type { CopySource, CopyTarget } from "./endpoint.ts";
import { LayoutContent } from "./layout_content.ts";

/** What opening the ends of a copy needs. */
export interface EndpointOptions extends RepositoryContentOptions, ContentOptions {
  /** Talks to registries. The caller disposes of it. */
  readonly client: RemoteClient;
}

/** Opens the place that an image is copied from. */
export async function openCopySource(
  location: ImageLocation,
  options: EndpointOptions,
): Promise<CopySource> {
  switch (location.transport) {
    case "docker":
      return registrySource(location.reference, options);
    case "oci":
      return await layoutSource(location);
    default:
      throw unsupported(location);
  }
}

/** Opens the place that an image is copied to. */
export async function openCopyTarget(
  location: ImageLocation,
  options: EndpointOptions,
): Promise<CopyTarget> {
  switch (location.transport) {
    case "docker":
      return registryTarget(location.reference, options);
    case "oci":
      return await layoutTarget(location);
    default:
      throw unsupported(location);
  }
}

function registrySource(reference: Reference, options: EndpointOptions): CopySource {
  const { client, auth, caCerts, onWarning } = options;
  return {
    label: formatReference(reference),
    content: new RepositoryContent(client, reference, options),
    root: ({ signal } = {}) => client.resolve(reference, { auth, caCerts, onWarning, signal }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function registryTarget(reference: Reference, options: EndpointOptions): CopyTarget {
  const { tag, digest } = reference;
  return {
    label: formatReference(digest === undefined ? reference : { ...reference, digest }),
    content: new RepositoryContent(options.client, reference, options),
    // Without a tag, what was pushed is known by its digest.
    name: tag,
    digest,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function layoutSource(location: LayoutLocation): Promise<CopySource> {
  const layout = await LayoutClient.open(location);
  const store = await ContentStore.open(location.path, { foreign: true });
  return {
    label: labelOf(location),
    content: new LayoutContent(store),
    root: async () => await layout.resolve(layout.reference),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function layoutTarget(location: LayoutLocation): Promise<CopyTarget> {
  const { path, name, digest } = location;
  const store = await ContentStore.open(path);
  return {
    label: labelOf(location),
    content: new LayoutContent(store),
    name,
    digest,
    keep: (descriptor, { signal } = {}) => store.keep(descriptor, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function labelOf({ transport, path, name, digest }: LayoutLocation): string {
  const version = digest === undefined ? "" : `@${digest}`;
  return `${transport}:${path}${name === undefined ? "" : `:${name}`}${version}`;
}

function unsupported(
  { transport, path }: Exclude<ImageLocation, LayoutLocation | RegistryLocation>,
): Error {
  return new SyntaxError(`Cannot copy "${transport}:${path}": archives are not supported`);
}
