import { OciError } from "../../spec/errors.ts";
import { runProgram } from "../host/run_program.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Characters with a special meaning in the options of a FUSE file system. */
const SPECIAL = /[,:\\]/;

/**
 * Returns a mounter that uses the program fuse-overlayfs, which only needs access to `/dev/fuse`.
 */
export function fuseMounter(program: string): OverlayMounter {
  return {
    kind: "fuse-overlayfs",
    namespace: "user",
    // A process that cannot mount overlays cannot mount a tmpfs either.
    upper: "disk",
    async mount(lowers, target, { upper, work }) {
      const directory = lowers[0]?.replace(/\/[^/]*$/, "") || "/";
      // Relative names keep the options short.
      const names = lowers.map((lower) =>
        lower.startsWith(`${directory}/`) ? lower.slice(directory.length + 1) : lower
      );
      const odd = [...names, upper, work].find((path) => SPECIAL.test(path));
      if (odd !== undefined) {
        throw refusal(target, `its options cannot hold the path "${odd}"`);
      }
      const options = `lowerdir=${names.join(":")},upperdir=${upper},workdir=${work}`;
      const { success, lastLine } = await runProgram(program, ["-o", options, target], directory);
      if (!success) throw refusal(target, lastLine.replace(/^fuse-overlayfs: /, ""));
    },
  };
}

function refusal(target: string, reason: string): OciError {
  return new OciError(`fuse-overlayfs failed: ${reason}`, {
    code: "overlay",
    action: `mount an overlay at "${target}"`,
    subject: target,
    advice: "Use the uncompressed bundler",
    option: "bundler",
  });
}
