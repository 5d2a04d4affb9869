import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Manifest } from "../../spec/image/manifest.ts";
import { TITLE_ANNOTATION } from "../../store/artifacts/artifact_content.ts";
import { formatBytes, formatTable, imageSize, printable } from "./format.ts";

/** The name of the file that a layer of an artifact is, if it has one. */
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
  const facts: [string, string | undefined][] = [
    ["Reference", reference],
    ["Digest", digest],
    ["Type", mediaType],
    ["Artifact", artifactType ?? config.mediaType],
    ["Config", config.digest],
    ["Subject", subject?.digest],
    ["Size", formatBytes(imageSize(manifest))],
    ...Object.entries(annotations).map(([key, value]): [string, string] => {
      return ["Annotation", `${key}=${value}`];
    }),
  ];
  return [
    ...formatTable(facts.flatMap(([name, value]) => value ? [[name, printable(value)]] : [])),
    "",
    "Layers",
    ...formatTable(
      layers.map((layer) => [
        `  ${layer.digest}`,
        formatBytes(layer.size),
        printable(layer.mediaType),
        printable(fileName(layer) ?? ""),
      ]),
      [1],
    ),
  ];
}
