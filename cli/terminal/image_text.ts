import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { ContainerConfig } from "../../spec/image/image_config.ts";
import { isRunnable } from "../../spec/image/platform_choice.ts";
import { formatPlatform } from "../../spec/platform.ts";
import { formatBytes, formatTable, imageSize } from "./format.ts";

/** Formats an image as text: facts, run configuration, layers. */
export function imageText(reference: string, image: RemoteImage): readonly string[] {
  const { digest, indexes, manifest, config, platform, layers } = image;
  const size = formatBytes(imageSize(manifest.value));
  const facts: readonly Fact[] = [
    ["Reference", reference],
    ["Digest", digest],
    ["Type", (indexes[0] ?? manifest).descriptor.mediaType],
    ["Platform", formatPlatform(platform)],
    ["Manifest", manifest.descriptor.digest],
    ["Config", manifest.value.config.digest],
    ["Created", config.value.created],
    ["Size", `${size} in ${layers.length === 1 ? "1 layer" : `${layers.length} layers`}`],
    ...containerFacts(config.value.config),
  ];
  return [
    ...factLines(facts),
    ...platformLines(image),
    ...layerLines(layers.map(({ descriptor }) => descriptor)),
  ];
}

/** A name and a value, if there is one. */
export type Fact = readonly [name: string, value: string | undefined];

/** Formats the facts that have a value. */
export function factLines(facts: readonly Fact[]): readonly string[] {
  return formatTable(facts.flatMap(([name, value]) => value ? [[name, value]] : []));
}

/** Formats the layers of a manifest under a heading. */
export function layerLines(
  layers: readonly Descriptor[],
  nameOf: (layer: Descriptor) => string = () => "",
): readonly string[] {
  const rows = layers.map((layer) => {
    const { digest, size, mediaType } = layer;
    return [`  ${digest}`, formatBytes(size), mediaType, nameOf(layer)];
  });
  return rows.length === 0 ? [] : ["", "Layers", ...formatTable(rows, [1])];
}

/** Formats the run configuration of an image. */
function containerFacts(config: ContainerConfig): readonly Fact[] {
  const { User, WorkingDir, StopSignal, ExposedPorts, Volumes, Labels = {} } = config;
  const command = (words: readonly string[] | undefined) => words && JSON.stringify(words);
  return [
    ["User", User],
    ["Directory", WorkingDir],
    ["Entrypoint", command(config.Entrypoint)],
    ["Command", command(config.Cmd)],
    ["Ports", ExposedPorts?.join(", ")],
    ["Volumes", Volumes?.join(", ")],
    ["Stops on", StopSignal],
    ...(config.Env ?? []).map((value): Fact => ["Variable", value]),
    ...Object.entries(Labels).map(([name, value]): Fact => ["Label", `${name}=${value}`]),
  ];
}

/** A platform of an image, and the digest of its manifest. */
export interface ListedPlatform {
  readonly platform: string;
  readonly digest: Digest;
}

/** Returns the platforms of a multi-platform image; none for other images. */
export function indexPlatforms({ indexes }: RemoteImage): readonly ListedPlatform[] {
  return indexes.flatMap(({ value }) => value.manifests).filter(isRunnable)
    .flatMap(({ platform, digest }) => {
      return platform ? [{ platform: formatPlatform(platform), digest }] : [];
    });
}

/** Formats the platforms of a multi-platform image, and marks the selected one. */
function platformLines(image: RemoteImage): readonly string[] {
  const rows = indexPlatforms(image).map(({ platform, digest }) => {
    const mark = digest === image.manifest.descriptor.digest ? "*" : " ";
    return [`${mark} ${platform}`, digest];
  });
  return rows.length === 0 ? [] : ["", "Platforms", ...formatTable(rows)];
}
