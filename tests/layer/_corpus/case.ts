import type { StackingExtractorOptions } from "../../../layer/mod.ts";

/** One or more layers and what their extraction must leave, or fail with. */
export interface LayerCase {
  /** What it shows, in words that are unique in the corpus. */
  readonly name: string;
  /**
   * The archives, the base first; made from the path of a directory beside the root, where the
   * layers are to name it.
   */
  readonly layers: readonly Uint8Array[] | ((outside: string) => readonly Uint8Array[]);
  /** The tree that is left, in the words of `describeTree`. */
  readonly tree?: Readonly<Record<string, string>>;
  /** The name of the error, in place of a tree. */
  readonly error?: string;
  /** A part of the error's message. */
  readonly message?: string;
  /** Paths of the skipped entries in the report. */
  readonly skipped?: readonly string[];
  /** What the pure backend, which makes no devices and attributes, has in place of this. */
  readonly pure?: {
    readonly tree: Readonly<Record<string, string>>;
    readonly skipped?: readonly string[];
  };
  /** The backend that alone can do it; absent if both can. */
  readonly only?: "native";
  /** How to extract. */
  readonly options?: Pick<
    StackingExtractorOptions,
    "ownership" | "xattrs" | "keepDirlinks" | "whiteouts" | "handler"
  >;
}
