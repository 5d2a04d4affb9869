import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { ContainerConfig } from "../../spec/image/image_config.ts";
import { isRunnable } from "../../spec/image/platform_choice.ts";
import { isObject, parseIfJson } from "../../spec/json.ts";
import { formatPlatform } from "../../spec/platform.ts";
import { formatBytes, formatDuration, formatTable, imageSize } from "./format.ts";

/** Formats an image as text: facts, run configuration, platforms, layers, history. */
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
    ["Author", config.value.author],
    ["Size", `${size} in ${layers.length === 1 ? "1 layer" : `${layers.length} layers`}`],
    ...containerFacts(config.value.config),
    ...dockerFacts(config.bytes),
    ...pairs("Annotation", manifest.value.annotations),
  ];
  return [
    ...factLines(facts),
    ...platformLines(image),
    ...layerLines(layers.map(({ descriptor }) => descriptor)),
    ...historyLines(image),
  ];
}

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
  const { User, WorkingDir, StopSignal, ExposedPorts, Volumes, Labels } = config;
  return [
    ["User", User],
    ["Directory", WorkingDir],
    ["Entrypoint", listText(config.Entrypoint)],
    ["Command", listText(config.Cmd)],
    ["Ports", ExposedPorts?.join(", ")],
    ["Volumes", Volumes?.join(", ")],
    ["Stops on", StopSignal],
    ...(config.Env ?? []).map((value): Fact => ["Variable", value]),
    ...pairs("Label", Labels),
  ];
}

/** Formats the members that only docker and podman define, which may have any type. */
function dockerFacts(bytes: Uint8Array): readonly Fact[] {
  const document = parseIfJson(new TextDecoder().decode(bytes));
  const config = isObject(document) && isObject(document["config"]) ? document["config"] : {};
  const { Healthcheck: check, Shell, OnBuild, StopTimeout } = config;
  return [
    ["Stops in", typeof StopTimeout === "number" ? `${StopTimeout} s` : undefined],
    ["Health", isObject(check) ? healthText(check) : undefined],
    ["Shell", listText(Shell)],
    ...Array.isArray(OnBuild) ? OnBuild.map((step): Fact => ["On build", stepText(step)]) : [],
  ];
}

/** Formats a health check: its command, and its settings in nanoseconds. */
function healthText(check: Readonly<Record<string, unknown>>): string | undefined {
  const settings = [
    ["every", check["Interval"]],
    ["timeout", check["Timeout"]],
    ["start period", check["StartPeriod"]],
    ["start interval", check["StartInterval"]],
  ].flatMap(([name, ns]) => {
    return typeof ns === "number" && ns > 0 ? [`${name} ${formatDuration(ns / 1e6)}`] : [];
  });
  const { Retries } = check;
  if (typeof Retries === "number" && Retries > 0) settings.push(`retries ${Retries}`);
  // Without a test, the check of the base image stays.
  const { Test } = check;
  const parts = [...Array.isArray(Test) && Test.length > 0 ? [listText(Test)] : [], ...settings];
  return parts.length > 0 ? parts.join(", ") : undefined;
}

function stepText(step: unknown): string {
  return typeof step === "string" ? step : JSON.stringify(step);
}

function listText(words: unknown): string | undefined {
  return Array.isArray(words) ? JSON.stringify(words) : undefined;
}

function pairs(name: string, values: Readonly<Record<string, string>> = {}): readonly Fact[] {
  return Object.entries(values).map(([key, value]) => [name, `${key}=${value}`]);
}

/** Formats the history under a heading. Each step that created a layer has the size of the layer. */
function historyLines({ config, layers }: RemoteImage): readonly string[] {
  let count = 0;
  const rows = config.value.history.map(({ created = "", createdBy, comment, emptyLayer }) => {
    const layer = emptyLayer ? undefined : layers[count++];
    const size = formatBytes(layer?.descriptor.size ?? 0);
    return [`  ${created}`, size, createdBy ?? comment ?? ""];
  });
  return rows.length === 0 ? [] : ["", "History", ...formatTable(rows, [1])];
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
