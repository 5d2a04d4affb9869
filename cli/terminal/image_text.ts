import type { RemoteImage } from "../../spec/image/image.ts";
import type { ContainerConfig } from "../../spec/image/image_config.ts";
import { isRunnable } from "../../spec/image/platform_choice.ts";
import { formatPlatform } from "../../spec/platform.ts";
import { formatBytes, formatTable, imageSize, printable } from "./format.ts";

/** Formats an image as text: facts, run configuration, layers. */
export function imageText(reference: string, image: RemoteImage): readonly string[] {
  const { digest, indexes, manifest, config, platform, layers } = image;
  const size = formatBytes(imageSize(manifest.value));
  const facts: [string, string | undefined][] = [
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
    ...formatTable(facts.flatMap(([name, value]) => value ? [[name, printable(value)]] : [])),
    ...platformLines(image),
    "",
    "Layers",
    ...formatTable(
      layers.map(({ descriptor }) => [
        `  ${descriptor.digest}`,
        formatBytes(descriptor.size),
        printable(descriptor.mediaType),
      ]),
      [1],
    ),
  ];
}

/** Formats the run configuration of an image. */
function containerFacts(config: ContainerConfig): [string, string | undefined][] {
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
    ...(config.Env ?? []).map((value): [string, string] => ["Variable", value]),
    ...Object.entries(Labels).map(([name, value]): [string, string] => {
      return ["Label", `${name}=${value}`];
    }),
  ];
}

/** Formats the platforms of a multi-platform image, and marks the selected one. */
function platformLines({ indexes, manifest }: RemoteImage): readonly string[] {
  const rows = indexes.flatMap(({ value }) => value.manifests).filter(isRunnable)
    .flatMap(({ platform, digest }) => {
      const mark = digest === manifest.descriptor.digest ? "*" : " ";
      return platform ? [[`${mark} ${printable(formatPlatform(platform))}`, digest]] : [];
    });
  return rows.length === 0 ? [] : ["", "Platforms", ...formatTable(rows)];
}
