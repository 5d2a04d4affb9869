import type { Ownership } from "../../layer/extraction/ownership.ts";

/** What the directory of an extracted layer depends on, beside the layer. */
export interface LayerKind {
  /**
   * The namespace of the attributes that mark opaque directories: `trusted` needs the privileges
   * of the host's root, `user` serves mounts with the option `userxattr`, and fuse-overlayfs.
   */
  readonly namespace: "trusted" | "user";
  /** To whom the files belong. */
  readonly ownership: Ownership;
}

/** Changes when what an extracted layer looks like does. */
const VERSION = 2;

/** A text that differs for two kinds whose directories may differ. */
export function formatLayerKind({ namespace, ownership }: LayerKind): string {
  const owner = typeof ownership === "string" ? ownership : JSON.stringify(ownership);
  return `${VERSION} ${namespace} ${owner}`;
}
