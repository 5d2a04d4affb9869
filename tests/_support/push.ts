import { parseReference, type RemoteClientOptions } from "../../registry/mod.ts";
import { type Digest, digestOf, OCI_LAYER, type OpenContent } from "../../spec/mod.ts";
import { readAll, testClient } from "../registry/_client.ts";
import { noise } from "./bytes.ts";
import { blobOf, type BuiltBlob } from "./image.ts";
import { chunked } from "./memory_content.ts";
import type { Interference, WritableRegistry } from "./writable_registry.ts";

/** A blob that is uploaded by one request. */
export const SMALL: BuiltBlob = blobOf(OCI_LAYER, noise(300_000));
/** A blob that is uploaded as a stream. */
export const LARGE: BuiltBlob = blobOf(OCI_LAYER, noise(5 * 1024 * 1024));

export interface PushOptions extends RemoteClientOptions {
  readonly mountFrom?: string;
  readonly onBytes?: (bytes: number) => void;
}

/** Returns a function that opens the bytes of a blob in chunks of 64 KiB. */
export function opener({ bytes }: BuiltBlob): OpenContent {
  return ({ offset = 0 } = {}) => Promise.resolve(chunked(bytes.subarray(offset)));
}

/** Pushes a blob to the repository `a/b` of a registry. */
export async function pushTo(
  { host }: Pick<WritableRegistry, "host">,
  blob: BuiltBlob,
  options: PushOptions = {},
): Promise<"mounted" | void> {
  const { mountFrom, onBytes, ...clientOptions } = options;
  using client = testClient(clientOptions);
  const repository = parseReference(`${host}/a/b`);
  return await client.pushBlob(repository, blob.descriptor, opener(blob), { mountFrom, onBytes });
}

/** Returns the digest of what a registry has as a blob. */
export async function stored(
  { content }: WritableRegistry,
  { descriptor }: BuiltBlob,
): Promise<Digest> {
  return digestOf(await readAll(await content.open("a/b", descriptor.digest)));
}

/** Returns the requests without the parts that vary. */
export function shapes(registry: WritableRegistry): readonly string[] {
  return registry.seen().map((line) =>
    line.replace(/uploads\/[^?]+/, "uploads/ID").replace(/[?&]_?state=[^&]*/, "")
      .replace(/sha256(%3A|:)[0-9a-f]+/, "DIGEST")
  );
}

/** Interferes with the first `times` requests of one method. */
export function interfereWith(
  method: string,
  times: number,
  interfere: Interference,
): Interference {
  let seen = 0;
  return (request, next) =>
    request.method === method && ++seen <= times ? interfere(request, next) : next();
}
