import { formatIdMap } from "../../layer/extraction/id_map.ts";
import type { OwnershipMap } from "../../layer/extraction/ownership.ts";
import { mountIdMapped, unmountTargets, writeProcFile } from "../../layer/linux/native_mount.ts";
import { errorCode } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { dirname } from "../../spec/paths.ts";
import { makeDirectories, removeIfAny } from "../host/files.ts";
import { findProgram } from "../host/find_program.ts";
import { MAPPED_LOWERS, type OverlayMounter } from "./overlay_mounter.ts";

/**
 * Returns a mounter of overlays in which the owners of the files in the lower directories are
 * mapped. These directories must have the same parent directory, which is mounted with the mapping
 * while the overlay is created: the overlay keeps its own copy of that mount. Requires Linux 5.19.
 */
export function mappedMounter(mounter: OverlayMounter, map: OwnershipMap): OverlayMounter {
  return {
    ...mounter,
    async mount(lowers, target, writable) {
      const parent = dirname(lowers[0] ?? "/");
      const mapped = `${dirname(target)}/${MAPPED_LOWERS}`;
      const names = lowers.map((lower) => {
        if (dirname(lower) === parent) return `${mapped}${lower.slice(parent.length)}`;
        throw new TypeError(`Cannot map the owners in "${lower}": it is not in "${parent}"`);
      });
      const closed = dirname(mapped);
      Deno.mkdirSync(closed, { mode: 0o700 });
      makeDirectories(mapped);
      {
        await using namespace = await openUserNamespace(map);
        explained(MOUNT_CAUSES, () => mountIdMapped(parent, mapped, namespace.path));
      }
      try {
        await mounter.mount(names, target, writable);
      } finally {
        unmountTargets([mapped], `Cannot unmount "${mapped}"`);
        removeIfAny(mapped);
        removeIfAny(closed);
      }
    },
  };
}

/**
 * Creates a user namespace with a mapping. A process of the program `unshare` keeps it open, because
 * the kernel does not let a program with threads enter one.
 */
async function openUserNamespace(
  { uids, gids }: OwnershipMap,
): Promise<AsyncDisposable & { readonly path: string }> {
  const program = findProgram("unshare");
  if (program === undefined) {
    throw refusal("it needs unshare of util-linux, which is not installed");
  }
  const child = new Deno.Command(program, {
    args: ["--user", "cat"],
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = child.stdout.getReader();
  const input = child.stdin.getWriter();
  const end = async () => {
    // Without its input, the program ends.
    await input.close().catch(() => {});
    await output.cancel();
    await child.status;
  };
  await using stack = new AsyncDisposableStack();
  stack.defer(end);
  // The program repeats its input once it is in the namespace.
  await input.write(new Uint8Array(1)).catch(() => {});
  if ((await output.read()).done) throw refusal("unshare cannot create a user namespace");
  const process = `/proc/${child.pid}`;
  explained(MAP_CAUSES, () => {
    writeProcFile(`${process}/uid_map`, formatIdMap(uids));
    writeProcFile(`${process}/gid_map`, formatIdMap(gids));
  });
  stack.move();
  return { path: `${process}/ns/user`, [Symbol.asyncDispose]: end };
}

/** Causes of the failure to mount with mapped owners, by error code. */
const MOUNT_CAUSES: Readonly<Record<string, string>> = {
  EPERM: "only root of the host can mount with mapped owners",
  EINVAL: "its file system, or this kernel, cannot be mounted with mapped owners",
  ENOSYS: "mounts with mapped owners need Linux 5.19",
};

/** Causes of the failure to set the mappings of a user namespace, by error code. */
const MAP_CAUSES: Readonly<Record<string, string>> = {
  EPERM: "this process may not use all of the host IDs in the maps",
  EINVAL: "the kernel does not accept the maps, which may have too many ranges",
};

/** Replaces errors of system calls by their causes. */
function explained(causes: Readonly<Record<string, string>>, call: () => void): void {
  try {
    call();
  } catch (error) {
    const cause = causes[errorCode(error) ?? ""];
    throw cause === undefined ? error : refusal(cause, error);
  }
}

function refusal(reason: string, cause?: unknown): OciError {
  return new OciError(reason, { code: "overlay", action: "map the owners of layers", cause });
}
