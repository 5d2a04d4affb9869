import type { TarHeader } from "../../layer/tar/tar_header.ts";
import type { FileType } from "../../layer/trees/file_tree.ts";

const TYPES: Readonly<Record<FileType | TarHeader["type"], string>> = {
  "file": "-",
  "hardlink": "h",
  "symlink": "l",
  "directory": "d",
  "character-device": "c",
  "block-device": "b",
  "fifo": "p",
  "socket": "s",
};

/** Mode bits that are shown in place of an `x`: set-user-ID, set-group-ID and sticky. */
const SPECIAL = [[0o4000, 2, "s"], [0o2000, 5, "s"], [0o1000, 8, "t"]] as const;

/** Formats type and permissions like `ls -l`, such as `drwxr-xr-x`; `h` is a hard link. */
export function formatFileMode(type: FileType | TarHeader["type"], mode: number): string {
  const letters = Array.from({ length: 9 }, (_, i) => mode & (1 << (8 - i)) ? "rwx"[i % 3] : "-");
  for (const [bit, at, letter] of SPECIAL) {
    if (mode & bit) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  }
  return TYPES[type] + letters.join("");
}
