import type { ImageProgress } from "../../../registry/mod.ts";
import type { Digest } from "../../../spec/mod.ts";

/** Digest of the layer of {@linkcode event}. */
export const DIGEST: Digest = `sha256:0123456789abcdef${"0".repeat(48)}`;
export const OTHER: Digest = `sha256:${"f".repeat(64)}`;

/** Returns an event about a layer. */
export function event(changes: Partial<ImageProgress> = {}): ImageProgress {
  return {
    kind: "layer",
    time: 0,
    reference: "localhost/a:1",
    digest: DIGEST,
    phase: "fetch",
    bytes: 0,
    total: 1000,
    resumed: 0,
    retries: 0,
    cached: false,
    ...changes,
  };
}

/** Keeps the written text, and reports each write. */
export class Recorder {
  text = "";
  #written = Promise.withResolvers<void>();

  writeSync(bytes: Uint8Array): number {
    this.text += new TextDecoder().decode(bytes);
    this.#written.resolve();
    return bytes.length;
  }

  async next(): Promise<void> {
    await this.#written.promise;
    this.#written = Promise.withResolvers();
  }
}

/** Returns an event about a whole image. */
export function sum(changes: Partial<ImageProgress> = {}): ImageProgress {
  const { digest: _, ...rest } = event(changes);
  return { ...rest, kind: "total" };
}
