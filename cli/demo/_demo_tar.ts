const BLOCK = 512;

/** An entry of one of the demo's layers. */
export type DemoEntry =
  | {
    readonly type: "directory";
    readonly path: string;
    readonly mode?: number;
    readonly owner?: number;
  }
  | {
    readonly type: "file";
    readonly path: string;
    readonly bytes: Uint8Array;
    readonly mode?: number;
    readonly owner?: number;
  }
  | { readonly type: "symlink" | "hardlink"; readonly path: string; readonly target: string };

const TYPE_FLAGS: Readonly<Record<DemoEntry["type"], string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  directory: "5",
};

/**
 * Writes a layer as a ustar archive. `@std/tar` writes only files and directories; a layer also has
 * links. Names are ASCII and shorter than 100 bytes, and all times are 1970, so that the same
 * entries produce the same bytes.
 */
export function demoTar(entries: readonly DemoEntry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const body = entry.type === "file" ? entry.bytes : new Uint8Array();
    parts.push(header(entry, body.length), body, new Uint8Array(-body.length & (BLOCK - 1)));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return concatenate(parts);
}

function header(entry: DemoEntry, size: number): Uint8Array {
  const linked = "target" in entry;
  const { mode = entry.type === "file" ? 0o644 : 0o755, owner = 0 } = linked ? {} : entry;
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at);
  const putNumber = (at: number, length: number, value: number) => {
    put(at, value.toString(8).padStart(length - 1, "0"));
  };
  put(0, entry.type === "directory" ? `${entry.path}/` : entry.path);
  putNumber(100, 8, linked ? 0o777 : mode);
  putNumber(108, 8, owner);
  putNumber(116, 8, owner);
  putNumber(124, 12, size);
  putNumber(136, 12, 0);
  put(156, TYPE_FLAGS[entry.type]);
  if (linked) put(157, entry.target);
  put(257, "ustar\u000000");
  // The checksum counts its own field as spaces.
  block.fill(0x20, 148, 156);
  put(148, `${block.reduce((sum, byte) => sum + byte).toString(8).padStart(6, "0")}\0 `);
  return block;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
