import { applyLayers } from "../../../layer/mod.ts";
import type { Digest } from "../../../spec/digest.ts";
import type { BlobReadOptions, RemoteImage, RemoteLayer } from "../../../spec/image/image.ts";
import { ContentStore } from "../../../store/content/content_store.ts";
import { buildImage, type BuiltLayer, type LayerInput } from "../../_support/image.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import { chunked } from "../../_support/memory_content.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";
import { describeTree, readTree } from "../../_support/tree.ts";

/** A layer whose bytes come from memory, with the requests for it. */
export interface FakeLayer extends RemoteLayer {
  readonly built: BuiltLayer;
  /** Start of each stream. */
  readonly offsets: number[];
}

/** Options for {@linkcode fakeLayers}. */
export interface FakeLayerOptions {
  /** Bytes to send instead of the right ones. */
  readonly bytes?: (layer: BuiltLayer) => Uint8Array;
  /** Transforms the stream of the bytes. */
  readonly through?: (
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  ) => ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly chunkSize?: number;
}

/** Makes layers that are not in a registry. */
export function fakeLayers(
  inputs: readonly (Uint8Array | LayerInput)[],
  options: FakeLayerOptions = {},
): readonly FakeLayer[] {
  const { bytes = (layer) => layer.bytes, through = (stream) => stream, chunkSize } = options;
  return inputs.map(builtLayer).map((built) => {
    const offsets: number[] = [];
    return {
      built,
      offsets,
      descriptor: built.descriptor,
      diffId: built.diffId,
      compressed: ({ offset = 0 }: BlobReadOptions = {}) => {
        offsets.push(offset);
        return Promise.resolve(through(chunked(bytes(built).subarray(offset), chunkSize)));
      },
    };
  });
}

/** Layers by archive, because many tests use the same large archive, which is slow to compress. */
const BUILT = new WeakMap<Uint8Array, BuiltLayer>();

function builtLayer(input: Uint8Array | LayerInput): BuiltLayer {
  const known = input instanceof Uint8Array ? BUILT.get(input) : undefined;
  if (known !== undefined) return known;
  const [built] = buildImage({ layers: [input] }).layers as [BuiltLayer];
  if (input instanceof Uint8Array) BUILT.set(input, built);
  return built;
}

/** Makes an image that has nothing but layers, which is all that the tests need. */
export function imageOf(layers: readonly FakeLayer[]): RemoteImage {
  return { layers } as unknown as RemoteImage;
}

/** An image whose layers wait for a signal. */
export interface HeldImage {
  readonly image: RemoteImage;
  /** Resolves with the first request for bytes. */
  readonly begun: Promise<void>;
  /** Lets the bytes through. */
  readonly release: () => void;
}

/** Makes layers that wait until they are released. */
export function heldLayers(layers: readonly Uint8Array[]): HeldImage {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const through = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) =>
    stream.pipeThrough(
      new TransformStream({
        async transform(chunk, output) {
          begin();
          await released;
          output.enqueue(chunk);
        },
      }),
    );
  return { image: imageOf(fakeLayers(layers, { through })), begun, release };
}

/** A store, and a path for a root that does not exist yet. */
export interface UnpackBox extends AsyncDisposable {
  readonly store: ContentStore;
  readonly root: string;
  readonly temp: TempDir;
  /** Blobs that the store has, and the names of parts. */
  stored(): Promise<{ readonly blobs: readonly Digest[]; readonly parts: readonly string[] }>;
}

/** Makes a store and a root. */
export async function makeUnpackBox(): Promise<UnpackBox> {
  const temp = await makeTempDir({ large: true });
  return {
    store: await ContentStore.open(temp.join("store")),
    root: temp.join("root"),
    temp,
    stored: async () => ({
      blobs: (await names(temp.join("store/blobs/sha256"))).map((hex) => `sha256:${hex}` as const),
      parts: await names(temp.join("store/ingest")),
    }),
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
}

async function names(directory: string): Promise<readonly string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Describes the tree of layers that are extracted one after another. */
export async function stacked(layers: readonly Uint8Array[]): Promise<Record<string, string>> {
  await using temp = await makeTempDir({ large: true });
  await applyLayers(fromLayers(layers), temp.join("root"));
  return describeTree(readTree(temp.join("root")));
}
