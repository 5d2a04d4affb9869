import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import type { Digest } from "../../spec/digest.ts";
import type { BundleKind } from "../bundle.ts";
import { StoreFileError } from "../host/open_regular_file.ts";
import { describeSystemError, isRefusedWrite } from "../host/system_error.ts";
import { type BundleCondition, findCondition, type FoundCondition } from "./bundle_condition.ts";
import type { BundleRecord } from "./bundle_record.ts";
import { BundleRecords } from "./bundle_records.ts";

/** A bundle with a record in a store. */
export interface StoredBundle {
  /** The bundle's directory, as an absolute path. */
  readonly path: string;
  /** Digest of the image. */
  readonly image: Digest;
  /** Method by which the root file system was made. */
  readonly kind: BundleKind;
  /** Whether the bundle is removed when the process that made it ends. */
  readonly isTemporary: boolean;
  /** State of the bundle. */
  readonly condition: BundleCondition;
  /** ID of the container that runs or may run. */
  readonly container?: string | undefined;
  /** Reason why the state cannot be determined. */
  readonly reason?: string | undefined;
}

/** Options for {@linkcode listBundles}. */
export interface ListBundlesOptions {
  /**
   * Called for each record that cannot be read.
   *
   * By default, the error of the first such record is thrown.
   */
  readonly onError?: ((error: StoreFileError) => void) | undefined;
}

/**
 * Lists the bundles of a store, wherever their directories are. Nothing is changed.
 *
 * @param store The directory of the store.
 * @param options Handling of records that cannot be read.
 * @returns The bundles, by path.
 * @throws {StoreFileError} If a record cannot be read.
 *
 * @example List the bundles of a store
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, listBundles, UncompressedBundler } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const bundler = new UncompressedBundler(await ContentStore.open("./store"));
 * await using bundle = await bundler.bundle(image, "web-1");
 *
 * const [listed] = await listBundles("./store");
 *
 * assertEquals([listed?.path, listed?.kind], [bundle.path, "uncompressed"]);
 * ```
 */
export async function listBundles(
  store: string,
  { onError }: ListBundlesOptions = {},
): Promise<readonly StoredBundle[]> {
  const records = BundleRecords.open(store);
  const bundles: StoredBundle[] = [];
  const found = records.list(onError);
  using _native = found.length > 0 ? keepNativeBackend() : undefined;
  for (const record of found) {
    const { path, image, kind, isTemporary } = record;
    bundles.push({ path, image, kind, isTemporary, ...await conditionOf(records, record) });
  }
  return bundles;
}

async function conditionOf(records: BundleRecords, record: BundleRecord): Promise<FoundCondition> {
  try {
    {
      using lock = await records.tryLock(record.id);
      if (lock === undefined) return { condition: "used" };
    }
    return await findCondition(record, records.statePath(record.id));
  } catch (error) {
    // A note about a container may be damaged.
    if (!isRefusedWrite(error) && !(error instanceof StoreFileError)) throw error;
    return { condition: "unknown", reason: describeSystemError(error) };
  }
}
