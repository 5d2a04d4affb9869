import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type Mount,
  type SpecOption,
  withCPULimit,
  withCwd,
  withEnv,
  withHostname,
  withHostNetwork,
  withMemoryLimit,
  withMounts,
  withReadOnlyRoot,
  withRootless,
  withUser,
} from "../spec/mod.ts";
import { isRootlessNeeded, readRootlessMaps } from "../store/mod.ts";
import { UsageError } from "./_errors.ts";
import { parseMount } from "./_mount_option.ts";
import type { Session } from "./_session.ts";

/** Options that say what a container is like, of `oci bundle` and `oci run`. */
export interface ContainerOptions {
  readonly bundler: "auto" | "overlay" | "uncompressed";
  readonly cpu?: string;
  readonly memory?: string;
  readonly network: "host" | "none";
  readonly readOnly?: true;
  readonly readWrite?: true;
  readonly containerUser?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly rootless?: true;
  readonly hostname?: string;
  readonly mount?: readonly Mount[];
}

/** `--user` means the container's here; the registry's keeps the name in the parsed options. */
class ContainerUserOption extends Option {
  override attributeName(): string {
    return "containerUser";
  }
}

/** Adds the options that say what a container is like. */
export function addContainerOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--bundler <how>", "auto, overlay or uncompressed")
        .choices(["auto", "overlay", "uncompressed"]).default("auto"),
    )
    .option(
      "--cpu <quantity>",
      "processors to use at most, such as 500m or 1.5",
      checkedBy(withCPULimit),
    )
    .option(
      "--memory <quantity>",
      "memory to use at most, such as 512Mi",
      checkedBy(withMemoryLimit),
    )
    .addOption(
      new Option("--network <how>", "host, or none for a network of its own without interfaces")
        .choices(["host", "none"]).default("none"),
    )
    .addOption(
      new Option("--read-only", "the image's files cannot be changed").conflicts("readWrite"),
    )
    .option(
      "--read-write",
      "the image's files can be changed, in this container alone; the default",
    )
    .addOption(
      new ContainerUserOption(
        "--user <user[:group]>",
        "who runs the program, names or numbers; default: whom the image names",
      ),
    )
    .option(
      "--env <name=value>",
      "set a variable; a name alone passes on the value that it has here (repeatable)",
      collectEnv,
    )
    .option("--cwd <dir>", "working directory in the container", checkedBy(withCwd))
    .option("--hostname <name>", "name of the host in the container", checkedBy(withHostname))
    .option(
      "--mount <mount>",
      "mount SOURCE:TARGET[:ro], or type=tmpfs,target=/tmp,tmpfs-size=1m (repeatable)",
      collectMount,
    )
    .option("--rootless", "for an ordinary user, in a user namespace; the default for one");
}

/** What the options say, as changes to a configuration. */
export async function containerSpecOptions(session: Session): Promise<SpecOption[]> {
  const options = session.options<ContainerOptions>();
  const { cpu, memory, network, readOnly, containerUser, cwd, hostname } = options;
  const { env = {}, mount = [] } = options;
  const isRootless = options.rootless ?? isRootlessNeeded();
  return [
    ...network === "host" ? [withHostNetwork({ files: await nameFiles() })] : [],
    ...cpu === undefined ? [] : [withCPULimit(cpu)],
    ...memory === undefined ? [] : [withMemoryLimit(memory)],
    ...readOnly ? [withReadOnlyRoot()] : [],
    ...containerUser === undefined ? [] : [withUser(containerUser)],
    withEnv(env),
    ...cwd === undefined ? [] : [withCwd(cwd)],
    ...hostname === undefined ? [] : [withHostname(hostname)],
    withMounts(await checkSources(mount)),
    ...isRootless ? [withRootless(await readRootlessMaps())] : [],
  ];
}

/** The files that say how names resolve, as far as this machine has them. */
async function nameFiles(): Promise<readonly string[]> {
  const files = ["/etc/hosts", "/etc/resolv.conf"];
  const there = await Promise.all(files.map(exists));
  return files.filter((_, i) => there[i]);
}

async function checkSources(mounts: readonly Mount[]): Promise<readonly Mount[]> {
  for (const { type, source = "" } of mounts) {
    if (type !== "bind" || await exists(source)) continue;
    throw new UsageError(`there is no "${source}" to mount; make it, or mount something else`);
  }
  return mounts;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A parser for commander that keeps the text, and refuses what the library would refuse. */
function checkedBy(check: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      check(text);
      return text;
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message}.`);
    }
  };
}

function collectEnv(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at > 0) return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
  if (at === 0 || text === "") throw new InvalidArgumentError("It must be NAME=VALUE.");
  const value = Deno.env.get(text);
  return value === undefined ? before : { ...before, [text]: value };
}

function collectMount(text: string, before: readonly Mount[] = []): readonly Mount[] {
  try {
    return [...before, parseMount(text)];
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}
