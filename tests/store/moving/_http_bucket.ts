import {
  type ContentOptions,
  type Descriptor,
  type Digest,
  digestHex,
  type NamedSource,
  type NamedTarget,
  type OpenContent,
  VerifyStream,
} from "../../../spec/mod.ts";

/** A bucket of an object store that speaks HTTP, as S3 does: GET, HEAD and PUT of a key. */
export class HttpBucket implements NamedSource, NamedTarget {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  async fetch(
    { digest }: Descriptor,
    options: { offset?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { offset = 0, signal } = options;
    const headers = { range: `bytes=${offset}-` };
    const response = await fetch(this.#blob(digest), { headers, signal: signal ?? null });
    if (response.ok && response.body !== null) return response.body;
    throw new Error(`Cannot read ${digest}: the bucket answered ${response.status}`);
  }

  async exists({ digest }: Descriptor, { signal }: ContentOptions = {}): Promise<boolean> {
    const response = await fetch(this.#blob(digest), { method: "HEAD", signal: signal ?? null });
    return response.ok;
  }

  async push(
    descriptor: Descriptor,
    open: OpenContent,
    { signal }: ContentOptions = {},
  ): Promise<void> {
    // An object store accepts any bytes: the stream fails before its end if they are wrong.
    const body = (await open()).pipeThrough(new VerifyStream(descriptor));
    await this.#put(this.#blob(descriptor.digest), body, signal);
  }

  async resolve(
    name: string,
    { signal }: ContentOptions = {},
  ): Promise<Descriptor | undefined> {
    const response = await fetch(`${this.#base}/names/${name}`, { signal: signal ?? null });
    if (response.ok) return await response.json();
    await response.body?.cancel();
    return undefined;
  }

  async tag(
    name: string,
    descriptor: Descriptor,
    { signal }: ContentOptions = {},
  ): Promise<void> {
    await this.#put(`${this.#base}/names/${name}`, JSON.stringify(descriptor), signal);
  }

  #blob(digest: Digest): string {
    return `${this.#base}/blobs/${digestHex(digest)}`;
  }

  async #put(url: string, body: BodyInit, signal?: AbortSignal): Promise<void> {
    const response = await fetch(url, { method: "PUT", body, signal: signal ?? null });
    await response.body?.cancel();
    if (!response.ok) {
      throw new Error(`Cannot store ${url}: the bucket answered ${response.status}`);
    }
  }
}

/** Serves such a bucket from memory, on a free port of the loopback. */
export function serveBucket(): AsyncDisposable & { readonly url: string } {
  const objects = new Map<string, Uint8Array<ArrayBuffer>>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method === "PUT") objects.set(pathname, await request.bytes());
    const object = objects.get(pathname);
    if (object === undefined) return new Response(null, { status: 404 });
    const [, offset = "0"] = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "") ?? [];
    return new Response(object.subarray(Number(offset)));
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
