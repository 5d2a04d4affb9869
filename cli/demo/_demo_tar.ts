import { tarHeader, tarPadding } from "../../layer/tar/tar_writer.ts";

/** An entry of one of the demo's layers. */
export interface DemoEntry {
  readonly type: keyof typeof MODES;
  readonly path: string;
  /** Content of a file. */
  readonly bytes?: Uint8Array;
  /** Target of a link. */
  readonly target?: string;
  /** Permissions; by default, those that are usual for the type. */
  readonly mode?: number;
  /** User and group ID; by default, 0. */
  readonly owner?: number;
}

const MODES = { file: 0o644, directory: 0o755, symlink: 0o777, hardlink: 0o777 };

/** Writes a layer as a tar archive. All times are 1970, so that equal entries give equal bytes. */
export function demoTar(entries: readonly DemoEntry[]): Uint8Array<ArrayBuffer> {
  const parts = entries.flatMap((entry) => {
    const { type, path, bytes = new Uint8Array(), target = "", owner = 0 } = entry;
    const header = tarHeader({
      type,
      path,
      linkname: target,
      mode: entry.mode ?? MODES[type],
      uid: owner,
      gid: owner,
      size: bytes.length,
    });
    return [header, bytes, tarPadding(bytes.length)];
  });
  return new Uint8Array([...parts, new Uint8Array(1024)].flatMap((part) => [...part]));
}
