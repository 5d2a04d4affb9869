import type { ImageConfig } from "../image/image_config.ts";
import { present } from "../json.ts";
import { normalize } from "../paths.ts";
import type { SpecOption } from "../runtime/spec_option.ts";
import { mergeEnv } from "./environment.ts";

/** Options for {@linkcode withImageConfig}. */
export interface ImageConfigOptions {
  /**
   * Name of the image in errors.
   *
   * @default {"the image"}
   */
  readonly image?: string;
}

/**
 * Applies the config of an image: command, environment, working directory, user and annotations.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/conversion.md | conversion.md}.
 *
 * @param config The image's config.
 * @param passwd Text of the image's `/etc/passwd`; empty if there is none.
 * @param group Text of the image's `/etc/group`; empty if there is none.
 * @param options The image's name.
 * @returns The option.
 *
 * @example Run as the image's user
 * ```ts
 * import { newSpec, withImageConfig } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const image = {
 *   platform: { os: "linux", architecture: "amd64" },
 *   config: { Cmd: ["/bin/app"], Env: ["PATH=/bin"], User: "app", WorkingDir: "/srv" },
 *   diffIds: [],
 *   history: [],
 * };
 * const { process } = newSpec(
 *   withImageConfig(image, "app:x:1000:1000::/home/app:/bin/sh", "app:x:1000:"),
 * );
 *
 * assertEquals(process.args, ["/bin/app"]);
 * assertEquals(process.env, ["HOME=/home/app", "PATH=/bin"]);
 * assertEquals(process.user, { uid: 1000, gid: 1000, additionalGids: [1000] });
 * ```
 */
export function withImageConfig(
  config: ImageConfig,
  passwd = "",
  group = "",
  options: ImageConfigOptions = {},
): SpecOption {
  const { image = "the image" } = options;
  const { Cmd = [], Env = [], WorkingDir = "", User = "" } = config.config;
  const Entrypoint = withoutEmpty(config.config.Entrypoint ?? []);
  return (spec) => ({
    ...spec,
    process: {
      ...spec.process,
      args: [...Entrypoint, ...Cmd],
      env: mergeEnv([...spec.process.env ?? [], ...Env]),
      cwd: normalize(WorkingDir, true),
    },
    annotations: { ...imageAnnotations(config), ...spec.annotations },
    pending: {
      ...spec.pending,
      image,
      passwd,
      group,
      entrypoint: Entrypoint,
      user: { text: User, additionalGids: false },
    },
  });
}

/**
 * Returns an entry point. A single empty word means none: a Dockerfile removes the entry point of
 * its base image with it.
 */
function withoutEmpty(entrypoint: readonly string[]): readonly string[] {
  return entrypoint.length === 1 && entrypoint[0] === "" ? [] : entrypoint;
}

/**
 * Names and prefixes of annotations that runtimes act on. For example, one of crun replaces the
 * seccomp filter, and others of runc set systemd properties. The author of an image must not choose
 * their values.
 */
const INTERPRETED_NAMES: readonly string[] = [
  // crun and youki, also with libkrun and WebAssembly.
  ...["run.oci", "krun", "module.wasm.image"],
  // runc.
  ...["org.systemd", "org.criu"],
  // Runtimes with virtual machines, unikernels or jails, and gVisor.
  ...["io.katacontainers", "com.github.containers", "com.urunc", "io.microsoft"],
  ...["org.freebsd.jail", "dev.gvisor"],
  // Callers of runtimes, their hooks and the Container Device Interface.
  ...["io.kubernetes", "io.containerd", "io.containers", "io.podman", "io.crio", "io.cri-o"],
  ...["k8s.io", "nvidia"],
];

/** Whether a runtime may act on an annotation. */
function isInterpreted(name: string): boolean {
  const lower = name.toLowerCase();
  return INTERPRETED_NAMES.some((known) => {
    return lower === known || lower.startsWith(`${known}.`) || lower.startsWith(`${known}/`) ||
      // A Kubernetes prefix is a host name, such as `cdi.k8s.io/`.
      lower.includes(`.${known}/`);
  });
}

/**
 * Converts the config of an image to annotations of a container. Labels become annotations, and
 * override derived ones. Labels that runtimes act on, such as `run.oci.handler`, are left out,
 * because the image is not trusted; {@linkcode withAnnotations} adds such annotations.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/conversion.md |
 * conversion.md}; volumes, for which it defines no annotation, are listed like ports.
 *
 * @param config The image's config.
 * @returns The annotations.
 *
 * @example Get the signal that ends the program of an image
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
  const labels = Object.entries(Labels ?? {}).filter(([name]) => {
    // The runtime specification forbids empty names.
    return name !== "" && !isInterpreted(name);
  });
  return { ...present(Object.fromEntries(named)), ...Object.fromEntries(labels) };
}

/**
 * Adds annotations, and replaces existing ones of the same name.
 *
 * @param annotations The annotations.
 * @returns The option.
 *
 * @example Annotate a container
 * ```ts
 * import { newSpec, withAnnotations } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const { annotations } = newSpec(withAnnotations({ "com.example.team": "storage" }));
 *
 * assertEquals(annotations?.["com.example.team"], "storage");
 * ```
 */
export function withAnnotations(annotations: Readonly<Record<string, string>>): SpecOption {
  return (spec) => ({ ...spec, annotations: { ...spec.annotations, ...annotations } });
}
