import type { RemoteLayer } from "../../spec/image/image.ts";

/** Annotation with the digest of the table of an eStargz layer. */
export const STARGZ_DIGEST = "containerd.io/snapshot/stargz/toc.digest";
/**
 * Prefixes of the annotations of a zstd:chunked layer: podman uses the first one; nerdctl and older
 * versions of podman use the second one.
 */
const CHUNKED_PREFIXES = [
  "io.github.containers.zstd-chunked.manifest",
  "io.containers.zstd-chunked.manifest",
] as const;

/** Annotations of a zstd:chunked layer about its table. */
export interface ChunkedTable {
  readonly digest: string;
  /** Offset, compressed size, size and type of the table, with colons between them. */
  readonly position: string;
}

/** Finds the table of a zstd:chunked layer in its annotations. */
export function chunkedTable(
  annotations: Readonly<Record<string, string>>,
): ChunkedTable | undefined {
  for (const prefix of CHUNKED_PREFIXES) {
    const digest = annotations[`${prefix}-checksum`];
    if (digest !== undefined) {
      return { digest, position: annotations[`${prefix}-position`] ?? "" };
    }
  }
  return undefined;
}

/** Whether the manifest says that a layer has a table of contents. */
export function hasTable(
  { descriptor: { annotations = {} } }: Pick<RemoteLayer, "descriptor">,
): boolean {
  return annotations[STARGZ_DIGEST] !== undefined || chunkedTable(annotations) !== undefined;
}
