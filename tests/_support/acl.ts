import { openFileTree } from "../../layer/disk/open_tree.ts";
import { joinPaths } from "../../layer/trees/clean_path.ts";
import { DEFAULT_ACL } from "../../layer/trees/host_xattrs.ts";

/** All permissions for the owner and for user 1234, read for the group, none for others. */
const ACL = new Uint8Array([
  ...[2, 0, 0, 0],
  ...[1, 0, 7, 0, 255, 255, 255, 255],
  ...[2, 0, 7, 0, 210, 4, 0, 0],
  ...[4, 0, 4, 0, 255, 255, 255, 255],
  ...[16, 0, 7, 0, 255, 255, 255, 255],
  ...[32, 0, 0, 0, 255, 255, 255, 255],
]);

/** Creates a directory whose new entries inherit an access control list. */
export function makeInherited(path: string): void {
  Deno.mkdirSync(path, { recursive: true });
  using tree = openFileTree(path, { backend: "native" });
  using root = tree.open("");
  root.setXattr(DEFAULT_ACL, ACL);
}

/** Lists a directory and all entries below it that have an access control list. */
export function aclsIn(path: string): readonly string[] {
  using tree = openFileTree(path, { backend: "native" });
  const walk = (at: string): string[] => {
    const isDirectory = tree.status(at)?.type === "directory";
    const below = isDirectory ? tree.list(at).flatMap((name) => walk(joinPaths(at, name))) : [];
    using entry = tree.open(at);
    const hasAcl = entry.listXattrs().some((name) => name.startsWith("system.posix_acl"));
    return hasAcl ? [at, ...below] : below;
  };
  return walk("");
}
