import { openFileTree } from "../../layer/disk/open_tree.ts";
import { ExtractError } from "../../layer/errors.ts";
import { extractLayer } from "../../layer/extraction/extract_layer.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { LayerLimits } from "../../layer/extraction/layer_limits.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import { overlayWhiteouts, type WhiteoutMode } from "../../layer/extraction/whiteout_handler.ts";
import { parentPath } from "../../layer/trees/clean_path.ts";
import { emptyTree } from "../../layer/trees/remove_entry.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import { extractRecorded, type LayerInput } from "../entries/extract_recorded.ts";
import type { StreamConsumer } from "./_stream_sink.ts";
import { packError, type TransferredError } from "./error_transfer.ts";
import type { SinkListener } from "./layer_sink.ts";

/**
 * Namespace of the extended attributes of an overlay. `trusted` requires the privileges of root on
 * the host. `user` is for mounts with the option `userxattr`, and for fuse-overlayfs.
 */
export type OverlayNamespace = "trusted" | "user";

/** Options for a {@linkcode LayerExtraction}. */
export interface LayerExtractionOptions extends LayerLimits {
  /** Owners of the extracted files. */
  readonly ownership: Ownership;
  /**
   * Handling of whiteouts in a layer that is extracted alone: namespace of the marks that replace
   * them, or `"omit"` if the layer hides nothing. Absent if the directory is an overlay over the
   * layers below.
   */
  readonly whiteouts?: OverlayNamespace | "omit" | undefined;
  /** Called with the number of decompressed bytes so far. An error that it throws stops the work. */
  readonly onPosition?: ((bytes: number) => void) | undefined;
  /** Aborts the extraction. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Extracts one layer into an existing directory and verifies it.
 *
 * @param layer The layer.
 * @param root The directory.
 * @param options Owners, whiteouts and callbacks.
 */
export type LayerExtraction = (
  layer: RemoteLayer,
  root: string,
  options: LayerExtractionOptions,
) => Promise<ExtractReport>;

/** Extracts one layer in this thread. */
export async function extractOverlayLayer(
  layer: RemoteLayer,
  root: string,
  { whiteouts, ...options }: LayerExtractionOptions,
): Promise<ExtractReport> {
  const { descriptor, diffId } = layer;
  const { signal } = options;
  return await extractLayer(await layer.compressed({ raw: true, signal }), root, {
    ...options,
    descriptor,
    diffId,
    whiteouts: whiteoutsFor(whiteouts),
    setOverlayXattrs: false,
  });
}

/** A layer, and the existing directory to extract it into for overlays; plain data. */
export interface OverlayPlan extends LayerInput {
  readonly root: string;
  readonly options: Omit<LayerExtractionOptions, "signal" | "onPosition" | "onWarning">;
}

/** Result of an extraction for overlays. It is no error that a layer cannot be extracted alone. */
export type OverlayResult =
  | { readonly kind: "extracted"; readonly report: ExtractReport }
  | { readonly kind: "refused"; readonly error: TransferredError };

/** Extracts a layer for overlays. */
export function overlayConsumer(
  plan: OverlayPlan,
  { warn }: SinkListener,
): StreamConsumer<OverlayResult> {
  const { root, options: { whiteouts, ...options } } = plan;
  let position = 0;
  return {
    get position() {
      return position;
    },
    async consume(stream, signal) {
      try {
        const report = await extractRecorded(stream, root, plan, {
          ...options,
          whiteouts: whiteoutsFor(whiteouts),
          setOverlayXattrs: false,
          signal,
          onPosition: (bytes) => position = bytes,
          onWarning: (message) => warn(message),
        });
        return { kind: "extracted", report };
      } catch (error) {
        // Not thrown, so that the blob is kept: the layer may only need those below it.
        if (error instanceof ExtractError) return { kind: "refused", error: packError(error) };
        throw error;
      }
    },
    async reset() {
      position = 0;
      {
        using tree = openFileTree(root);
        emptyTree(tree);
      }
      await Deno.chmod(root, 0o755);
    },
  };
}

/**
 * Returns the handling of whiteouts in a layer that is extracted alone.
 *
 * If only one layer has a directory, the kernel lists it unfiltered, with whiteouts that cannot be
 * opened. It filters them only out of a directory that was copied up. Therefore each directory with
 * a whiteout is marked as a copy whose origin is unknown, by an empty value.
 */
function whiteoutsFor(namespace: LayerExtractionOptions["whiteouts"]): WhiteoutMode | undefined {
  if (namespace === undefined || namespace === "omit") return namespace;
  const handler = overlayWhiteouts({ namespace });
  return {
    ...handler,
    hide(tree, path) {
      handler.hide(tree, path);
      using directory = tree.open(parentPath(path));
      directory.setXattr(`${namespace}.overlay.origin`, new Uint8Array());
    },
  };
}
