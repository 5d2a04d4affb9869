import {
  type Clock,
  parseReference,
  type Reference,
  RemoteClient,
  type RemoteClientOptions,
} from "../../registry/mod.ts";
import { type Digest, OCI_LAYER } from "../../spec/mod.ts";
import { noise } from "../_support/bytes.ts";
import { makeServerTls } from "../_support/certificates.ts";
import {
  type FaultRule,
  type FaultyRegistry,
  faultyRegistry,
} from "../_support/faulty_registry.ts";
import {
  blobOf,
  buildImage,
  type Built,
  type BuiltBlob,
  type BuiltImage,
  MemoryContent,
} from "../_support/image.ts";
import { dir, file, tar } from "../_support/tar.ts";

/** A clock that advances only while a caller sleeps, and has no randomness. */
export class FakeClock implements Clock {
  time: number = Date.UTC(2026, 0, 1);
  /** Every pause, in milliseconds. */
  readonly pauses: number[] = [];

  now(): number {
    return this.time;
  }

  random(): number {
    return 1;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await Promise.resolve();
    signal?.throwIfAborted();
    this.pauses.push(ms);
    this.time += ms;
  }
}

/** A client that does not wait and has no credentials. */
export function testClient(options: RemoteClientOptions = {}): RemoteClient {
  return new RemoteClient({ credentials: "none", clock: new FakeClock(), ...options });
}

/** A registry with an image `a/b:v1` and a blob of noise in the same repository. */
export interface Scene extends AsyncDisposable {
  readonly registry: FaultyRegistry;
  readonly content: MemoryContent;
  readonly image: BuiltImage;
  readonly blob: BuiltBlob;
  readonly reference: Reference;
}

/** Options for {@linkcode makeScene}. */
export interface SceneOptions {
  readonly blobSize?: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly address?: { readonly hostname: string; readonly port: number };
}

/** Starts a registry with faults. */
export function makeScene(rules: readonly FaultRule[] = [], options: SceneOptions = {}): Scene {
  const { blobSize = 300_000, tls, address } = options;
  const image = buildImage({
    layers: [tar(dir("etc"), file("etc/os-release", "ID=test\n")), tar(file("bin", "x"))],
  });
  const blob = blobOf(OCI_LAYER, noise(blobSize));
  const content = new MemoryContent().add("a/b", "v1", image).addBlob("a/b", blob);
  const registry = faultyRegistry(content, rules, { tls, address });
  const reference = parseReference(`${registry.host}/a/b:v1`);
  return {
    registry,
    content,
    image,
    blob,
    reference,
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

/** Adds an image to the repository of a scene, and returns its reference. */
export function addImage(scene: Scene, built: Built, tag = "x"): Reference {
  scene.content.add("a/b", tag, built);
  return parseReference(`${scene.registry.host}/a/b:${tag}`);
}

/** The options of a client that reads the image of a scene. */
export const AMD64: { readonly platform: string } = { platform: "linux/amd64" };

/** Reads the image of a scene with its layers, and returns its digest. */
export async function pullAll(client: RemoteClient, { reference }: Scene): Promise<Digest> {
  const image = await client.image(reference, AMD64);
  await Promise.all(image.layers.map(async (layer) => await readAll(await layer.compressed())));
  return image.digest;
}

/** Reads a stream to its end. */
export async function readAll(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(stream).bytes();
}

/** A registry with TLS, and the authority of its certificate. */
export interface TlsScene extends AsyncDisposable {
  readonly scene: Scene;
  readonly host: string;
  readonly ca: string;
}

/** Starts a registry with TLS. */
export async function makeTlsScene(): Promise<TlsScene> {
  const { ca, ...tls } = await makeServerTls();
  const scene = makeScene([], { tls });
  const { host } = scene.registry;
  return { scene, host, ca, [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose]() };
}
