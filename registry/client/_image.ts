import { type Descriptor, embeddedData } from "../../spec/image/descriptor.ts";
import type { ImageDocument, RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import {
  checkLayerCount,
  type ImageConfig,
  parseConfigOrArtifact,
} from "../../spec/image/image_config.ts";
import type { Manifest, ManifestDocument } from "../../spec/image/manifest.ts";
import { isConfigMediaType } from "../../spec/image/media_types.ts";
import { followPlatform } from "../../spec/image/platform_by_config.ts";
import { checkPlatform, checkTimes } from "../../spec/image/platform_choice.ts";
import type { Platform } from "../../spec/platform.ts";
import { assertVerifiable } from "../../spec/verifier.ts";
import type { Sources } from "../endpoints/sources.ts";
import { ArtifactError } from "../errors.ts";
import type { ImageClientOptions } from "../image_client.ts";
import { formatReference, type Reference } from "../reference.ts";
import { readDocumentBody } from "../transport/bounded_body.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { EarlyRequests, type LayerBytes } from "./_early_requests.ts";
import { ifFound, type ManifestContext, readManifest, readNestedManifest } from "./_manifests.ts";

/** Context for reading an image. */
export interface ImageContext extends ManifestContext {
  readonly platform: Platform;
  readonly strictPlatform: boolean;
  readonly maxConfigBytes: number;
  /** Maximum number of parts of a layer to read at once. */
  readonly connections: number;
  /** Returns the latency of a host in milliseconds. */
  readonly latencyMs: (host: string) => number;
  /** Returns the bytes of a layer. */
  readonly bytesOf: (descriptor: Descriptor) => LayerBytes;
  readonly firstReads: ImageClientOptions["firstReads"];
  /** Sources of everything that is read by its digest. */
  readonly contentSources: Sources;
}

/** Reads and verifies the indexes, manifest and config of an image. */
export async function readRemoteImage(
  sources: Sources,
  reference: Reference,
  context: ImageContext,
): Promise<RemoteImage> {
  const { indexes, manifest } = await readChain(sources, reference, context);
  const layers = manifest.value.layers.map((descriptor) => {
    return locateLayer(reference, descriptor, context);
  });
  await using requests = new EarlyRequests(context, () => {
    return layers.map(({ host, ...layer }) => ({ ...layer, ...linkTo(host, context) }));
  });
  let acceptsRanges = false;
  const config = await readConfig(reference, manifest.value, {
    ...context,
    requests,
    // Layers are in the same place as the config.
    onConfig: ({ headers }) => acceptsRanges = headers.get("accept-ranges") === "bytes",
  });
  const { diffIds, platform } = config.value;
  const name = formatReference(reference);
  checkLayerCount(name, manifest.value, config.value);
  checkPlatform(name, platform, context.platform, context);
  checkTimes(name, config.value, context.onWarning);
  requests.keep();
  return {
    digest: (indexes[0] ?? manifest).descriptor.digest,
    indexes,
    manifest,
    config,
    platform,
    layers: diffIds.flatMap((diffId, i) => {
      const layer = layers[i];
      if (layer === undefined) return [];
      const { descriptor, source, host, bytes: { compressed } } = layer;
      return [{ descriptor, diffId, source, acceptsRanges, compressed, ...linkTo(host, context) }];
    }),
  };
}

/** A layer in a registry. */
interface LocatedLayer extends Pick<RemoteLayer, "descriptor" | "source"> {
  readonly host: string;
  readonly bytes: LayerBytes;
}

function locateLayer(
  { repository }: Reference,
  descriptor: Descriptor,
  { contentSources, bytesOf }: ImageContext,
): LocatedLayer {
  const path = `blobs/${descriptor.digest}`;
  const { href, host } = contentSources.upstream.url({ repository, path });
  return { descriptor, source: href, host, bytes: bytesOf(descriptor) };
}

/** Returns the number of connections for a layer of a host, and the latency of the host so far. */
function linkTo(
  host: string,
  { connections, latencyMs }: ImageContext,
): Required<Pick<RemoteLayer, "connections" | "latencyMs">> {
  return { connections, latencyMs: latencyMs(host) };
}

async function readChain(
  sources: Sources,
  reference: Reference,
  context: ImageContext,
): Promise<Pick<RemoteImage, "indexes" | "manifest">> {
  const first = await sources.first((registry) => {
    return readManifest(registry, reference, context);
  }, { ...context, digest: reference.digest });
  const next = (entry: Descriptor) => readNested(reference, entry, context);
  return await followPlatform<never>(first, {
    platform: context.platform,
    subject: formatReference(reference),
    read: (descriptor) => ifFound(readEntry(reference, descriptor, context)),
    next,
  });
}

/** Reads a document that an index lists. */
async function readNested(
  reference: Reference,
  entry: Descriptor,
  context: ImageContext,
): Promise<ImageDocument<ManifestDocument>> {
  return await context.contentSources.first((registry) => {
    return readNestedManifest(registry, reference, entry, context);
  }, context);
}

/** Reads a document or a config. */
async function readEntry(
  reference: Reference,
  descriptor: Descriptor,
  context: ImageContext,
): Promise<Uint8Array> {
  if (isConfigMediaType(descriptor.mediaType)) {
    return await readConfigBytes(reference, descriptor, context);
  }
  return (await readNested(reference, descriptor, context)).bytes;
}

interface ConfigContext extends ImageContext {
  /** Requests to send after the one for the config. */
  readonly requests?: EarlyRequests | undefined;
  /** Called with the response that contains the config. */
  readonly onConfig?: ((response: HttpResponse) => void) | undefined;
}

async function readConfig(
  reference: Reference,
  manifest: Manifest,
  context: ConfigContext,
): Promise<ImageDocument<ImageConfig>> {
  const descriptor = manifest.config;
  const subject = formatReference(reference);
  if (!isConfigMediaType(descriptor.mediaType)) {
    throw new ArtifactError(subject, descriptor.mediaType, manifest.artifactType);
  }
  const bytes = await readConfigBytes(reference, descriptor, context);
  const value = parseConfigOrArtifact(bytes, manifest);
  if (typeof value === "string") throw new ArtifactError(subject, descriptor.mediaType, value);
  return { descriptor, bytes, value };
}

async function readConfigBytes(
  reference: Reference,
  descriptor: Descriptor,
  { requests, onConfig, ...context }: ConfigContext,
): Promise<Uint8Array<ArrayBuffer>> {
  assertVerifiable(descriptor.digest);
  const embedded = embeddedData(descriptor);
  if (embedded !== undefined) return embedded;
  const reading = context.contentSources.first((registry) => {
    return registry.call({
      ...context,
      method: "GET",
      repository: reference.repository,
      path: `blobs/${descriptor.digest}`,
      content: { kind: "config", name: `the config ${descriptor.digest} of its manifest` },
      // A failing registry needs its connections for the config.
      onRetry: () => requests?.drop(),
    }, (response) => {
      onConfig?.(response);
      return readDocumentBody(response, descriptor, {
        limit: "config bytes",
        option: "maxConfigBytes",
        maxBytes: context.maxConfigBytes,
      });
    });
  }, context);
  requests?.send();
  return await reading;
}
