import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { BundleError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import { StoreFileError } from "../host/open_regular_file.ts";
import { describeSystemError, isRefusedWrite } from "../host/system_error.ts";
import { BundleDirectory } from "./_bundle_directory.ts";
import { findPlace } from "./_bundle_place.ts";
import { type BundleRecord, isKept } from "./bundle_record.ts";
import { BundleRecords } from "./bundle_records.ts";

/** A bundle of a killed process that was not removed. */
export interface LeftBundle {
  /** The bundle's directory, or the record that cannot be read. */
  readonly path: string;
  /** ID of the container that runs or may run. */
  readonly container?: string | undefined;
  /** Why the bundle cannot be removed; absent if its container runs. */
  readonly reason?: string | undefined;
}

/** Result of {@linkcode removeDeadBundles}. */
export interface BundleCleanup {
  /** Directories of the removed bundles. */
  readonly removed: readonly string[];
  /** Bundles that were not removed. */
  readonly left: readonly LeftBundle[];
}

/** Options for {@linkcode removeDeadBundles}. */
export interface RemoveDeadBundlesOptions {
  /**
   * Whether to report only what would be removed.
   *
   * @default {false}
   */
  readonly dryRun?: boolean | undefined;
  /** Aborts the removal between two bundles. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Removes bundles of killed processes from a store, with their mounts and the runtime state of
 * their containers. A bundle stays if its container runs, if another process uses it, or if it is
 * complete and not temporary.
 *
 * @param store The directory of the store.
 * @param options Dry run and an abort signal.
 * @returns The removed bundles, and the bundles of killed processes that stay.
 *
 * @example See which bundles of killed processes would be removed
 * ```ts
 * import { removeDeadBundles } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const { removed } = await removeDeadBundles("./store", { dryRun: true });
 *
 * assertEquals(removed, []);
 * ```
 */
export async function removeDeadBundles(
  store: string,
  { dryRun = false, signal }: RemoveDeadBundlesOptions = {},
): Promise<BundleCleanup> {
  const records = BundleRecords.open(store);
  const removed: string[] = [];
  const left: LeftBundle[] = [];
  const found = records.list(({ path, message }) => left.push({ path, reason: message }));
  using _native = found.length > 0 ? keepNativeBackend() : undefined;
  for (const record of found) {
    signal?.throwIfAborted();
    const { path } = record;
    try {
      const result = await cleanUp(records, record, dryRun);
      if (result === "removed") removed.push(path);
      else if (result !== undefined) left.push({ path, ...result });
    } catch (error) {
      if (!isExpected(error)) throw error;
      left.push({ path, reason: describeSystemError(error) });
    }
  }
  if (!dryRun) await records.removeStrayLocks();
  return { removed, left };
}

/** Removes a bundle if it is dead; returns the reason if a bundle of a killed process stays. */
async function cleanUp(
  records: BundleRecords,
  record: BundleRecord,
  dryRun: boolean,
): Promise<"removed" | Omit<LeftBundle, "path"> | undefined> {
  if (isKept(record) && findPlace(record) !== "gone") {
    const state = records.statePath(record.id);
    if (dryRun || lstatIfAny(state) === undefined) return undefined;
    const { removeDeadContainers } = await import("./_bundle_containers.ts");
    await removeDeadContainers(state);
    return undefined;
  }
  const { findCondition } = await import("./bundle_condition.ts");
  using opened = await BundleDirectory.tryOpen(records, record.id);
  if (opened === undefined) return undefined;
  const { condition, ...cause } = await findCondition(opened.record, opened.stateDirectory);
  if (condition === "running" || condition === "unknown") return cause;
  // A bundle elsewhere may reappear when its file system is mounted.
  const isDead = condition === "dead" && opened.place !== "elsewhere";
  const isGone = condition === "missing" && opened.place === "gone";
  if (!isDead && !isGone) return undefined;
  if (!dryRun) await opened.remove();
  return "removed";
}

function isExpected(error: unknown): boolean {
  return error instanceof BundleError || error instanceof StoreFileError || isRefusedWrite(error) ||
    error instanceof Deno.errors.NotFound || error instanceof Deno.errors.Busy;
}
