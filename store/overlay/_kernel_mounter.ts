import { mountOverlay } from "../../layer/linux/overlay_mount.ts";
import type { OverlayNamespace } from "../stages/overlay_extraction.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Returns a mounter that uses the overlay file system of the kernel. */
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
        // A redirect refers to a directory of a lower layer by name, but layers are shared between
        // stacks.
        redirectDirectories: false,
      });
      return Promise.resolve();
    },
  };
}
