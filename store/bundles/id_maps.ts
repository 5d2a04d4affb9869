import { openFileTree } from "../../layer/disk/open_tree.ts";
import { formatIdMap, readIdMaps } from "../../layer/extraction/id_map.ts";
import {
  type IdRange,
  mapId,
  type Owner,
  type OwnershipMap,
} from "../../layer/extraction/ownership.ts";
import { ACCESS_ACL } from "../../layer/trees/host_xattrs.ts";
import { type ErrorFacts, explainedError } from "../../spec/error_facts.ts";
import { processUid } from "../../spec/granted.ts";
import { withUserNamespace } from "../../spec/options/user_namespace_options.ts";
import { dirname, resolve } from "../../spec/paths.ts";
import type { IdMapping } from "../../spec/runtime/runtime_linux.ts";
import type { SpecOption } from "../../spec/runtime/spec_option.ts";
import { BundleError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import { CONFIG } from "./_bundle_mark.ts";
import type { BundlerOptions } from "./bundler.ts";

/** Maximum number of ranges that the kernel accepts. */
const MAX_RANGES = 340;
/** Maximum size of their text: less than a page. */
const MAX_MAP_BYTES = 4095;

/** ID mappings of a container, for its bundle. */
export class IdMaps {
  /** Owners of the files. */
  readonly ownership: OwnershipMap;
  /** Owner on the host of the files of the container's root. */
  readonly root: Owner;
  /** Option of the configuration. */
  readonly option: SpecOption;

  /**
   * Checks the options of a bundler. The default for one kind of IDs is the map for the other.
   *
   * @throws {RangeError} If a map is invalid or has no root, or conflicts with another option.
   * @throws {Deno.errors.PermissionDenied} If this process is not root.
   */
  constructor(options: Pick<BundlerOptions, "uidMap" | "gidMap" | "ownership">) {
    const uids = options.uidMap ?? options.gidMap ?? [];
    const gids = options.gidMap ?? uids;
    this.ownership = { kind: "map", uids, gids };
    // Checks the ranges as well.
    this.option = withUserNamespace({ uidMap: uids.map(toMapping), gidMap: gids.map(toMapping) });
    this.root = { uid: rootOf("user", "uids", uids), gid: rootOf("group", "gids", gids) };
    if (options.ownership !== undefined) {
      throw refusal(RangeError, "the maps already determine the owners of the files", {
        advice: 'Leave out the option "ownership"',
        option: "ownership",
      });
    }
    if ((processUid() ?? 0) !== 0) {
      throw refusal(Deno.errors.PermissionDenied, "only root can give files to other users", {
        advice: 'Run as root, or in a user namespace, which "podman unshare" creates',
      });
    }
    checkHostIds(uids, gids);
    checkCount("user", "uidMap", uids);
    checkCount("group", "gidMap", gids);
  }

  /**
   * Checks that the root of the container may enter the directories above its bundle, since
   * runtimes mount the root file system as that user.
   *
   * @param directory Directory of the bundle. It is checked as well if it exists.
   * @throws {BundleError} If one of them denies it.
   */
  checkReachable(directory: string): void {
    let path = resolve(directory);
    while (lstatIfAny(path) === undefined) path = dirname(path);
    for (let at = Deno.realPathSync(path);; at = dirname(at)) {
      if (!this.#mayEnter(at)) throw this.#unreachable(directory, at);
      if (at === dirname(at)) return;
    }
  }

  /**
   * Lets the group of the container's root enter the directory of its complete bundle, but no other
   * user of the host.
   */
  admitRoot(path: string): void {
    Deno.chownSync(path, null, this.root.gid);
    // It may contain secrets.
    Deno.chmodSync(`${path}/${CONFIG}`, 0o600);
    Deno.chmodSync(path, 0o710);
  }

  /** Whether the root of the container may enter a directory. */
  #mayEnter(directory: string): boolean {
    const { mode, uid, gid } = Deno.statSync(directory);
    if (mode === null || uid === null || gid === null) return true;
    const { uids, gids } = this.ownership;
    // The root of a user namespace has access to the files of its users and groups.
    if (isOnHost(uid, uids) && isOnHost(gid, gids)) return true;
    const bit = uid === this.root.uid ? 0o100 : gid === this.root.gid ? 0o010 : 0o001;
    return (mode & bit) !== 0 || hasAcl(directory);
  }

  #unreachable(directory: string, path: string): BundleError {
    const problem =
      `the root of the container, user ${this.root.uid} of the host, may not enter "${path}"`;
    return new BundleError(problem, path, {
      code: "invalid-argument",
      action: `make a bundle with ID maps in "${directory}"`,
      advice: `Choose another directory, or run 'chmod o+x "${path}"'`,
      option: "directory",
    });
  }
}

function toMapping({ containerId, hostId, size }: IdRange): IdMapping {
  return { containerID: containerId, hostID: hostId, size };
}

/** Returns the ID of the container's root on the host. */
function rootOf(kind: string, option: "uids" | "gids", ranges: readonly IdRange[]): number {
  const id = mapId(0, ranges);
  if (id !== undefined) return id;
  const problem = `no range contains ${kind} 0, which a container needs`;
  throw refusal(RangeError, problem, { code: "ownership", advice: "Add one", option });
}

function refusal(
  ErrorClass: new (message: string) => Error,
  problem: string,
  facts: Partial<ErrorFacts>,
): Error & ErrorFacts {
  const action = "map the IDs of a container";
  return explainedError(ErrorClass, { code: "invalid-argument", action, problem, ...facts });
}

/** Checks that the kernel accepts as many ranges, before layers are extracted for them. */
function checkCount(
  kind: string,
  option: "uidMap" | "gidMap",
  ranges: readonly IdRange[],
): void {
  const bytes = formatIdMap(ranges).length;
  if (ranges.length <= MAX_RANGES && bytes <= MAX_MAP_BYTES) return;
  const problem = `the kernel accepts at most ${MAX_RANGES} ranges of ${kind} IDs, and ` +
    `${MAX_MAP_BYTES} bytes of them, but there are ${ranges.length} with ${bytes} bytes`;
  throw refusal(RangeError, problem, { advice: "Combine ranges", option });
}

/** Checks that this process has the IDs of the host: the root of a user namespace has only some. */
function checkHostIds(uids: readonly IdRange[], gids: readonly IdRange[]): void {
  const own = readIdMaps();
  if (own === undefined) return;
  for (
    const [kind, wanted, had] of [["user", uids, own.uids], ["group", gids, own.gids]] as const
  ) {
    const missing = wanted.find((range) => !had.some((other) => isWithin(range, other)));
    if (missing === undefined) continue;
    const { hostId, size } = missing;
    const problem = `this process may not use the ${kind} IDs ${hostId}-${hostId + size - 1}`;
    throw refusal(RangeError, problem, {
      advice: "Map to IDs of the user namespace that it runs in",
    });
  }
}

/** Whether the host IDs of a range are in one range of this process, as the kernel requires. */
function isWithin({ hostId, size }: IdRange, { containerId, size: available }: IdRange): boolean {
  return hostId >= containerId && hostId + size <= containerId + available;
}

function isOnHost(hostId: number, ranges: readonly IdRange[]): boolean {
  return ranges.some((range) => hostId >= range.hostId && hostId < range.hostId + range.size);
}

/** Whether an access control list may grant what the mode denies. */
function hasAcl(directory: string): boolean {
  using tree = openFileTree(directory);
  using entry = tree.open("");
  return entry.listXattrs().includes(ACCESS_ACL);
}
