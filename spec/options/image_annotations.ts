import { present } from "../json.ts";
import type { ImageConfig } from "../image/image_config.ts";
import type { SpecOption } from "../runtime/spec_option.ts";

/**
 * Converts the config of an image to annotations of a container. Labels become annotations, and override
 * derived ones.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/conversion.md | conversion.md};
 * the volumes, for which it has no annotation, are named like the ports.
 *
 * @param config The image's config.
 * @returns The annotations.
 *
 * @example The signal that ends the program
 * ```ts
 * import { imageAnnotations } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const annotations = imageAnnotations({
 *   platform: { os: "linux", architecture: "arm64" },
 *   config: { StopSignal: "SIGINT" },
 *   diffIds: [],
 *   history: [],
 * });
 *
 * assertEquals(annotations["org.opencontainers.image.stopSignal"], "SIGINT");
 * ```
 */
export function imageAnnotations(config: ImageConfig): Readonly<Record<string, string>> {
  const { platform, author, created } = config;
  const { StopSignal, ExposedPorts, Volumes, Labels } = config.config;
  const derived: Readonly<Record<string, string | undefined>> = {
    os: platform.os,
    architecture: platform.architecture,
    variant: platform.variant,
    "os.version": platform["os.version"],
    "os.features": platform["os.features"]?.join(),
    author,
    created,
    stopSignal: StopSignal,
    exposedPorts: ExposedPorts?.toSorted().join(),
    volumes: Volumes?.toSorted().join(),
  };
  const named = Object.entries(derived)
    .map(([name, value]) => [`org.opencontainers.image.${name}`, value || undefined]);
  // The runtime specification forbids empty names.
  const labels = Object.entries(Labels ?? {}).filter(([name]) => name !== "");
  return { ...present(Object.fromEntries(named)), ...Object.fromEntries(labels) };
}

/**
 * Adds annotations, and replaces existing ones of the same name.
 *
 * @param annotations The annotations.
 * @returns The option.
 */
export function withAnnotations(annotations: Readonly<Record<string, string>>): SpecOption {
  return (spec) => ({ ...spec, annotations: { ...spec.annotations, ...annotations } });
}
