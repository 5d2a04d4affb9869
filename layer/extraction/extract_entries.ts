import type { TarHeader } from "../tar/tar_header.ts";
import type { FileTree } from "../trees/file_tree.ts";
import type { ExtractReport } from "./extract_report.ts";
import { LayerExtractor, type LayerExtractorOptions } from "./extractor.ts";

/**
 * Extracts the entries of a layer without the content of files, which become holes. For trees in
 * memory.
 *
 * @param headers The entries, in the order of the archive.
 * @returns What was done and what was skipped.
 * @throws {ExtractError} If an entry cannot be extracted.
 */
export function extractEntries(
  headers: Iterable<TarHeader>,
  tree: FileTree,
  options: LayerExtractorOptions = {},
): ExtractReport {
  using extractor = new LayerExtractor(tree, options);
  for (const header of headers) {
    extractor.entry(header);
    extractor.end();
  }
  return extractor.finish();
}
