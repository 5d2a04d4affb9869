import type { ArtifactFile } from "../../store/artifacts/artifact_content.ts";
import { UsageError } from "../frame/errors.ts";

const FILE_REGEXP =
  /^(.+):([a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*(?: *; *[a-z0-9=_.+-]+)*)$/i;

/**
 * Parses `FILE` or `FILE:TYPE`, where TYPE is a media type. A file name may contain a colon.
 *
 * @throws {UsageError} If the text is empty.
 */
export function readArtifactFile(text: string): ArtifactFile {
  if (text === "") throw new UsageError("the file name is empty", "Specify a file");
  const [, path, mediaType] = FILE_REGEXP.exec(text) ?? [];
  return path === undefined ? { path: text } : { path, mediaType };
}
