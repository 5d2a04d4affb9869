import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Manifest } from "../../spec/image/manifest.ts";
import { TITLE_ANNOTATION } from "../../store/artifacts/artifact_content.ts";
import { formatBytes, imageSize } from "./format.ts";
import { type Fact, factLines, layerLines } from "./image_text.ts";

/** Returns the file name of an artifact's layer, if it has one. */
export function fileName({ annotations = {} }: Descriptor): string | undefined {
  return annotations[TITLE_ANNOTATION];
}

/** Describes an artifact for people: its type, its subject and its files. */
export function artifactText(
  reference: string,
  { digest, mediaType }: Descriptor,
  manifest: Manifest,
): readonly string[] {
  const { artifactType, config, layers, subject, annotations = {} } = manifest;
  return [
    ...factLines([
      ["Reference", reference],
      ["Digest", digest],
      ["Type", mediaType],
      ["Artifact", artifactType ?? config.mediaType],
      ["Config", config.digest],
      ["Subject", subject?.digest],
      ["Size", formatBytes(imageSize(manifest))],
      ...Object.entries(annotations).map(([key, value]): Fact => {
        return ["Annotation", `${key}=${value}`];
      }),
    ]),
    ...layerLines(layers, (layer) => fileName(layer) ?? ""),
  ];
}
