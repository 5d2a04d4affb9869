import type { ArtifactFile } from "../../store/artifacts/artifact_content.ts";

const FILE_REGEXP =
  /^(.+):([a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*(?: *; *[a-z0-9=_.+-]+)*)$/i;

/** Parses `FILE` or `FILE:TYPE`, with a media type; a colon may be part of a name. */
export function readArtifactFile(text: string): ArtifactFile {
  const [, path, mediaType] = FILE_REGEXP.exec(text) ?? [];
  return path === undefined ? { path: text } : { path, mediaType };
}
