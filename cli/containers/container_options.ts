import type { IdRange } from "../../layer/extraction/ownership.ts";
import { problemOf } from "../../spec/error_facts.ts";
import { parseIfJson } from "../../spec/json.ts";
import { withEnv } from "../../spec/options/environment.ts";
import { withMounts, withReadOnlyRoot } from "../../spec/options/filesystem_options.ts";
import { withHostname, withHostNetwork } from "../../spec/options/namespace_options.ts";
import { withCwd, withEntrypoint } from "../../spec/options/process_options.ts";
import { withCPULimit, withMemoryLimit } from "../../spec/options/resource_options.ts";
import { withRootless } from "../../spec/options/user_namespace_options.ts";
import { withUser } from "../../spec/options/user_options.ts";
import { normalize, normalSegments } from "../../spec/paths.ts";
import type { Mount } from "../../spec/runtime/runtime_spec.ts";
import type { SpecOption } from "../../spec/runtime/spec_option.ts";
import { checkBundleId } from "../../store/bundle.ts";
import { withVolumes } from "../../store/bundles/volumes.ts";
import { statIfAny } from "../../store/host/files.ts";
import { isRootlessNeeded, readRootlessMaps } from "../../store/runtime/rootless_maps.ts";
import type { Command } from "../frame/command.ts";
import { UsageError } from "../frame/errors.ts";
import { parseIdRange } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import { parseMount, VOLUME } from "./_mount_option.ts";

/** Container options of `oci bundle` and `oci run`. */
export interface ContainerOptions {
  readonly bundler: "auto" | "overlay" | "uncompressed";
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly network: "host" | "none";
  readonly readOnly?: true | undefined;
  readonly containerUser?: string | undefined;
  /** Environment variables; those without a value are inherited. */
  readonly env?: readonly (readonly [name: string, value?: string])[] | undefined;
  readonly cwd?: string | undefined;
  readonly rootless?: true | undefined;
  readonly uidMap?: readonly IdRange[] | undefined;
  readonly gidMap?: readonly IdRange[] | undefined;
  readonly slowChown?: true | undefined;
  readonly hostname?: string | undefined;
  readonly mount?: readonly Mount[] | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  readonly tty?: true | undefined;
}

/** Adds the container options of `oci bundle` and `oci run`. */
export function addContainerOptions(command: Command): Command {
  return command
    .option("--bundler <how>", "how to create the root file system", {
      choices: ["auto", "overlay", "uncompressed"],
      default: "auto",
    })
    .option("--cpu <quantity>", "CPU limit, such as 500m or 1.5", {
      parse: checkedBy(withCPULimit),
      aliases: ["--cpus"],
    })
    .option("-m, --memory <quantity>", "memory limit, such as 512Mi", {
      parse: checkedBy(checkMemory),
    })
    .option("--network <how>", "network: the host's, or none for an isolated one", {
      choices: ["host", "none"],
      default: "none",
      parse: checkNetwork,
      aliases: ["--net"],
    })
    .option("--read-only", "mount the root file system read-only", { conflicts: ["--read-write"] })
    .option(
      "--read-write",
      "allow changes to the root file system, visible in this container only (default)",
    )
    .option(
      "-u, --user <user[:group]>",
      "user and group to run as, by name or number (default: the image's)",
      { key: "containerUser", parse: checkedBy(checkUser) },
    )
    .option(
      "-e, --env <name=value>",
      "set an environment variable; NAME alone inherits its value (repeatable)",
      { repeatable: true, parse: parseVariable },
    )
    .option("-w, --cwd <dir>", "working directory in the container", {
      parse: checkedBy(withCwd),
      aliases: ["--workdir"],
    })
    .option("--entrypoint <program>", "program to run instead of the image's entry point", {
      mayBeEmpty: true,
      parse: parseEntrypoint,
    })
    .option("-h, --hostname <name>", "hostname in the container", {
      parse: checkedBy(withHostname),
    })
    .option(
      "-v, --mount <mount>",
      "mount SOURCE:TARGET[:ro], TARGET alone as a new volume, or " +
        "type=tmpfs,target=/tmp,tmpfs-size=1m (repeatable)",
      {
        repeatable: true,
        parse: parseMount,
        nameOf: ({ destination }: Mount) => normalize(destination, true),
        aliases: ["--volume"],
      },
    )
    .option("-i, --interactive", "keep stdin open (always on)")
    .option("-t, --tty", "allocate a terminal")
    .option("--rootless", "run in a user namespace (default: on unless root)")
    .option(
      "--uid-map <c:h:n>",
      "as root, run in a user namespace that maps N user IDs from C to host IDs from H " +
        "(repeatable; default: as --gid-map)",
      { repeatable: true, parse: parseIdRange },
    )
    .option(
      "--gid-map <c:h:n>",
      "map N group IDs from C to host IDs from H (repeatable; default: as --uid-map)",
      { repeatable: true, parse: parseIdRange },
    )
    .option(
      "--slow-chown",
      "if the kernel cannot map the owners of layers, extract the layers again with mapped owners",
    );
}

/** Converts the options to changes of a configuration. */
export async function containerSpecOptions(session: Session): Promise<SpecOption[]> {
  const options = session.options<ContainerOptions>();
  const { cpu, memory, network, readOnly, containerUser, cwd, hostname, entrypoint } = options;
  const { env = [], mount = [] } = options;
  const isRootless = options.rootless ?? isRootlessNeeded();
  return [
    ...network === "host" ? [withHostNetwork({ files: nameFiles() })] : [],
    ...cpu === undefined ? [] : [withCPULimit(cpu)],
    ...memory === undefined ? [] : [withMemoryLimit(memory)],
    ...readOnly ? [withReadOnlyRoot()] : [],
    ...containerUser === undefined ? [] : [withUser(containerUser)],
    withEnv(Object.fromEntries(env.flatMap(([name, value = Deno.env.get(name)]) => {
      return value === undefined ? [] : [[name, value]];
    }))),
    ...cwd === undefined ? [] : [withCwd(cwd)],
    ...entrypoint === undefined ? [] : [withEntrypoint(entrypoint)],
    ...hostname === undefined ? [] : [withHostname(hostname)],
    ...mountOptions(mount),
    ...isRootless ? [withRootless(await readRootlessMaps())] : [],
  ];
}

/** Returns mounts of the name resolution files that exist on this machine. */
function nameFiles(): readonly string[] {
  return ["/etc/hosts", "/etc/resolv.conf"].filter(statIfAny);
}

/** Adds mounts, those closer to the root first: they would hide the others. */
function mountOptions(mounts: readonly Mount[]): readonly SpecOption[] {
  const levels = ({ destination }: Mount) => normalSegments(destination, true).length;
  const sorted = mounts.toSorted((a, b) => levels(a) - levels(b));
  const { volumes = [], others = [] } = Object.groupBy(sorted, ({ type }) => {
    return type === VOLUME ? "volumes" : "others";
  });
  return [
    withMounts(checkSources(others)),
    withVolumes(volumes.map(({ destination }) => destination)),
  ];
}

function checkSources(mounts: readonly Mount[]): readonly Mount[] {
  for (const { type, source = "" } of mounts) {
    if (type !== "bind" || statIfAny(source) !== undefined) continue;
    throw new UsageError(
      `cannot mount "${source}": it does not exist`,
      "Create it or choose another source",
    );
  }
  return mounts;
}

/** Parses an entry point: a program, nothing, or a program and arguments in JSON, as in podman. */
function parseEntrypoint(text: string): readonly string[] {
  const list = parseIfJson(text);
  if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
  return text === "" ? [] : [text];
}

/** Rejects docker's networks, which need a daemon. */
function checkNetwork(text: string): string {
  if (!/^(bridge|default|slirp4netns|pasta|private|container:.*)$/.test(text)) return text;
  throw new SyntaxError("there is no daemon that connects containers: use host or none");
}

/** Returns a parser that keeps the text and rejects values that the library would reject. */
function checkedBy(check: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      check(text);
      return text;
    } catch (error) {
      throw new SyntaxError(problemOf(error), { cause: error });
    }
  };
}

/** Rejects an empty user: an unset shell variable must not run the container as root. */
function checkUser(text: string): void {
  if (/^:$|:.*:/.test(text)) throw new SyntaxError("it must be USER or USER:GROUP");
}

/** Rejects docker's units: `512m` is half a byte in Kubernetes, but 512 MiB in docker. */
function checkMemory(text: string): void {
  const [, number, unit] = /^([0-9.]+)([kmg]b|[bmg])$/i.exec(text) ?? [];
  const isDockerUnit = unit !== undefined && !/^[MG]$/.test(unit);
  if (isDockerUnit) {
    const suffix = /^b$/i.test(unit) ? "" : `${unit[0]?.toUpperCase()}i`;
    throw new SyntaxError(`write it as in Kubernetes: ${number}${suffix}`);
  }
  withMemoryLimit(text);
  if (/[nu]$/.test(text)) throw new SyntaxError("it is less than one byte");
}

/** Parses the name of a variable, and its value unless it is inherited. */
function parseVariable(text: string): readonly [name: string, value?: string] {
  const at = text.indexOf("=");
  if (at === 0) throw new SyntaxError("it must be NAME=VALUE");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

export function parseName(text: string): string {
  try {
    checkBundleId(text);
    return text;
  } catch (cause) {
    throw new SyntaxError(
      'it must have 1 to 128 letters, digits, "_", "." and "-", and begin with a letter or a digit',
      { cause },
    );
  }
}
