import { mountOverlay } from "../../layer/linux/overlay_mount.ts";
import type { OverlayNamespace } from "../stages/overlay_extraction.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** The overlay file system of the kernel. */
export function kernelMounter(
  namespace: OverlayNamespace,
  upper: OverlayMounter["upper"],
): OverlayMounter {
  return {
    kind: "overlay",
    namespace,
    upper,
    mount(lowers, target, { source, ...writable }) {
      mountOverlay(lowers, target, {
        writable,
        source,
        userXattr: namespace === "user",
        // A renamed directory would refer to its layer by a name, and a layer is used in many stacks.
        redirectDirectories: false,
      });
      return Promise.resolve();
    },
  };
}
