import { OciError } from "../../spec/mod.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Characters that mean something in the options of a FUSE file system. */
const SPECIAL = /[,:\\]/;

/**
 * The overlay file system of the program fuse-overlayfs, which needs no privileges but the right
 * to open `/dev/fuse`.
 *
 * @param program Its path.
 */
export function fuseMounter(program: string): OverlayMounter {
  return {
    kind: "fuse-overlayfs",
    namespace: "user",
    // Who cannot mount overlays cannot mount memory either.
    upper: "disk",
    async mount(lowers, target, { upper, work }) {
      const directory = lowers[0]?.replace(/\/[^/]*$/, "") || "/";
      // Relative names keep the options short.
      const names = lowers.map((lower) =>
        lower.startsWith(`${directory}/`) ? lower.slice(directory.length + 1) : lower
      );
      const odd = [...names, upper, work].find((path) => SPECIAL.test(path));
      if (odd !== undefined) throw failure(target, `its options cannot hold the path "${odd}"`);
      const options = `lowerdir=${names.join(":")},upperdir=${upper},workdir=${work}`;
      const { success, stderr } = await new Deno.Command(program, {
        args: ["-o", options, target],
        cwd: directory,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output();
      if (!success) throw failure(target, new TextDecoder().decode(stderr).trim());
    },
  };
}

function failure(target: string, said: string): OciError {
  return new OciError(
    `Cannot mount an overlay at "${target}": fuse-overlayfs says: ${said}; ` +
      "use the uncompressed bundler",
  );
}
