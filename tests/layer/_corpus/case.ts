import type { StackingExtractorOptions } from "../../../layer/mod.ts";

/** One or more layers, and the expected tree or error. */
export interface LayerCase {
  /** Description, unique in the corpus. */
  readonly name: string;
  /**
   * The archives, the base first; a function of the path of a directory next to the root if the
   * layers refer to it.
   */
  readonly layers: readonly Uint8Array[] | ((outside: string) => readonly Uint8Array[]);
  /** The expected tree, in the form of `describeTree()`. */
  readonly tree?: Readonly<Record<string, string>>;
  /** The name of the expected error, instead of a tree. */
  readonly error?: string;
  /** A part of the error's message. */
  readonly message?: string;
  /** Paths of the skipped entries in the report. */
  readonly skipped?: readonly string[];
  /**
   * Expectations for the pure backend, which supports neither devices nor attributes, if they
   * differ.
   */
  readonly pure?: {
    readonly tree: Readonly<Record<string, string>>;
    readonly skipped?: readonly string[];
  };
  /** The only backend that supports the case; absent if both do. */
  readonly only?: "native";
  /** How to extract. */
  readonly options?: Pick<
    StackingExtractorOptions,
    "ownership" | "xattrs" | "keepDirlinks" | "whiteouts" | "handler"
  >;
}
