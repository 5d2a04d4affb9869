import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { dirname, resolve } from "../../spec/paths.ts";
import type { SpecOption } from "../../spec/runtime/spec_option.ts";
import type { Bundle, BundleKind } from "../bundle.ts";
import { describeSystemError } from "../host/system_error.ts";
import type { Image } from "../images/image.ts";
import { BundleDirectory } from "./_bundle_directory.ts";
import { assertLinux, writeBundleConfig } from "./bundle_config.ts";
import type { BundleRecord } from "./bundle_record.ts";
import { BundleRecords } from "./bundle_records.ts";
import type { BundlerOptions } from "./bundler.ts";
import type { IdMaps } from "./id_maps.ts";
import { removeDeadBundles } from "./remove_dead_bundles.ts";

/** Everything that {@linkcode makeBundle} needs. */
export interface BundlePlan extends Pick<BundlerOptions, "isTemporary" | "onWarning" | "signal"> {
  readonly directory: string;
  /** Method by which the root file system is made. */
  readonly kind: BundleKind;
  /** The directory of the store. */
  readonly store: string;
  readonly image: Image;
  /** Changes to its configuration. */
  readonly options: readonly SpecOption[];
  /** ID mappings of the container. */
  readonly maps?: IdMaps | undefined;
  /** Called to make the root file system. */
  readonly fill: (bundle: UnfinishedBundle) => Promise<void>;
}

/** A bundle whose root file system is being made. */
export interface UnfinishedBundle {
  /** The bundle's directory. */
  readonly path: string;
  readonly id: string;
  /**
   * Records the extracted layers that the bundle needs, and the mounts that are about to be made.
   * Nothing else is unmounted when it is removed.
   */
  record(needs: Partial<Pick<BundleRecord, "layers" | "mounts">>): Promise<void>;
}

/**
 * Rejects a directory in which no bundle can be made, before an image is fetched for it.
 *
 * @throws {BundleError} If it is not a directory, is not empty, or has a bundle.
 */
export async function checkBundleDirectory(store: string, directory: string): Promise<void> {
  await BundleDirectory.prepare(BundleRecords.open(resolve(store)), directory);
}

/**
 * Returns the ID mappings of a bundler, if it has any. Loads the code on demand, since few bundles
 * need it.
 */
export async function openIdMaps(options: BundlerOptions): Promise<IdMaps | undefined> {
  if (options.uidMap === undefined && options.gidMap === undefined) return undefined;
  const { IdMaps } = await import("./id_maps.ts");
  return new IdMaps(options);
}

/**
 * Creates a bundle, or leaves nothing behind on failure. Replaces leftovers of killed processes.
 */
export async function makeBundle(plan: BundlePlan): Promise<Bundle> {
  const { image, kind, maps, isTemporary = false, onWarning, signal } = plan;
  assertLinux(image, plan.directory);
  maps?.checkReachable(plan.directory);
  const store = resolve(plan.store);
  await removeDeadBundles(store);
  const records = BundleRecords.open(store);
  const claim = { kind, image: image.digest, isTemporary };
  using stack = new DisposableStack();
  const claimed = stack.use(await BundleDirectory.claim(records, plan.directory, claim));
  const { path, record: { id, isDirectoryNew } } = claimed;
  try {
    // The directories above it may be new.
    maps?.checkReachable(isDirectoryNew ? dirname(path) : path);
    await plan.fill({ path, id, record: (needs) => claimed.update(needs) });
    const options = maps === undefined ? plan.options : [...plan.options, maps.option];
    await writeBundleConfig(path, image, options, { signal, owner: maps?.root });
    if (isDirectoryNew) maps?.admitRoot(path);
    await claimed.update({ phase: "complete" });
  } catch (error) {
    try {
      await claimed.remove();
    } catch (left) {
      onWarning?.(`"${path}" could not be removed: ${describeSystemError(left)}`);
    }
    throw error;
  }
  const bundle = { path, image: image.digest, kind, stateDirectory: claimed.stateDirectory };
  if (!isTemporary) {
    return withCleanup(bundle, async () => {
      const { removeBundle } = await import("./remove_bundle.ts");
      await removeBundle(store, path, { onWarning });
    });
  }
  // The lock shows that this process is alive. It ends with the process.
  stack.move();
  return withCleanup(bundle, async () => {
    using _native = keepNativeBackend();
    await claimed.remove(onWarning);
    claimed[Symbol.dispose]();
  });
}

/** Adds the methods that remove a bundle. They do so once, and again only after a failure. */
function withCleanup(
  bundle: Omit<Bundle, "cleanup" | keyof AsyncDisposable>,
  remove: () => Promise<void>,
): Bundle {
  let removed: Promise<void> | undefined;
  const cleanup = async () => {
    await (removed ??= remove().catch((error) => {
      removed = undefined;
      throw error;
    }));
  };
  return { ...bundle, cleanup, [Symbol.asyncDispose]: cleanup };
}
