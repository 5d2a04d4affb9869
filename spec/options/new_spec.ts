import { explainedError } from "../error_facts.ts";
import { OciError } from "../errors.ts";
import { present } from "../json.ts";
import type { IdMapping } from "../runtime/runtime_linux.ts";
import type { ProcessUser } from "../runtime/runtime_process.ts";
import type { Mount, RuntimeSpec } from "../runtime/runtime_spec.ts";
import type { ContainerSpec, SpecDraft, SpecOption } from "../runtime/spec_option.ts";
import { DEFAULT_SPEC } from "./_default_spec.ts";
import { DEFAULT_PATH, defaultEnv } from "./environment.ts";
import { defaultSeccompProfile } from "./seccomp_profile.ts";
import { resolveUser } from "./user.ts";

/**
 * Creates the configuration of a container.
 *
 * The default is like that of runc and podman: a root file system at `rootfs`, the usual mounts,
 * masked kernel files, Docker's capabilities, no new privileges, and new namespaces except for
 * users. Options are applied in order. Values that depend on several options are set last:
 * the user is looked up, `HOME`, `PATH` and, if the host has a name, `HOSTNAME` are set, and the
 * configuration is adapted to a user namespace.
 *
 * @param options Changes to the default.
 * @returns The configuration. {@linkcode formatSpec} serializes it.
 * @throws {OciError} If there is no command, or the user does not exist.
 * @throws {SyntaxError} If the text of the user has more than one colon.
 * @throws {RangeError} If an ID is out of range, or not mapped in the user namespace; or if there is
 *   no default seccomp profile for the architecture.
 *
 * @example Limit the CPU and the memory of a container
 * ```ts
 * import { newSpec, withArgs, withCPULimit, withMemoryLimit, withRootFS } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = newSpec(
 *   withRootFS("rootfs", true),
 *   withArgs(["/bin/true"]),
 *   withCPULimit("500m"),
 *   withMemoryLimit("512Mi"),
 * );
 *
 * assertEquals(spec.linux.resources?.cpu, { shares: 512, quota: 50_000, period: 100_000 });
 * assertEquals(spec.linux.resources?.memory, { limit: 536_870_912 });
 * ```
 */
export function newSpec(...options: SpecOption[]): ContainerSpec {
  return settleSpec(options.reduce((spec, option) => option(spec), DEFAULT_SPEC));
}

/**
 * Serializes a configuration as a `config.json`, with an indent of two spaces and a final line
 * feed. The result is deterministic.
 *
 * @param spec The configuration.
 * @returns The text.
 *
 * @example Write the config.json of a bundle
 * ```ts
 * import { formatSpec, newSpec, withArgs } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = newSpec(withArgs(["/bin/true"]));
 *
 * await Deno.writeTextFile("./config.json", formatSpec(spec));
 *
 * assertEquals(JSON.parse(await Deno.readTextFile("./config.json")), spec);
 * ```
 */
export function formatSpec(spec: RuntimeSpec): string {
  return `${JSON.stringify(spec, null, 2)}\n`;
}

/** Completes a draft with the values that depend on several options. */
function settleSpec(draft: SpecDraft): ContainerSpec {
  const { pending, ...spec } = [settleUser, settleEnv, settleSeccomp].reduce(
    (spec, settle) => settle(spec),
    draft,
  );
  // An empty string is not a command. Runtimes report it with misleading errors.
  if (!spec.process.args?.[0]) {
    throw new OciError("there is no command to run", {
      code: "no-command",
      action: `make a configuration for ${pending.image}`,
      subject: pending.image,
      advice: "Specify the command to run",
      option: "args",
    });
  }
  return fitUserNamespace(spec, pending.image);
}

/** Looks up the user, and sets `HOME` to the user's home directory. */
function settleUser(spec: SpecDraft): SpecDraft {
  const { user: wanted, passwd, group, image, dropsGroups = false } = spec.pending;
  if (wanted === undefined) return withDefaultEnv(spec, { HOME: "/" });
  const { additionalGids } = wanted;
  const found = resolveUser(wanted.text, passwd, group, { image, additionalGids });
  const { uid, gid, home } = found;
  const user = { ...spec.process.user, uid, gid };
  const process = {
    ...spec.process,
    user: withGroups(user, dropsGroups ? [] : found.additionalGids),
  };
  return withDefaultEnv({ ...spec, process }, { HOME: home });
}

/** Adds supplementary groups, if there are any. */
function withGroups(user: ProcessUser, additionalGids: readonly number[]): ProcessUser {
  return additionalGids.length === 0 ? user : { ...user, additionalGids };
}

/** Sets `PATH`, `TERM` for a terminal, and `HOSTNAME` if the host has a name. */
function settleEnv(spec: SpecDraft): SpecDraft {
  const TERM = spec.process.terminal ? "xterm" : undefined;
  return withDefaultEnv(spec, present({ PATH: DEFAULT_PATH, TERM, HOSTNAME: spec.hostname }));
}

function withDefaultEnv(spec: SpecDraft, defaults: Readonly<Record<string, string>>): SpecDraft {
  const env = defaultEnv(spec.process.env ?? [], defaults);
  return { ...spec, process: { ...spec.process, env } };
}

/** Creates the default seccomp profile for the capabilities. */
function settleSeccomp(spec: SpecDraft): SpecDraft {
  const { seccompArchitecture } = spec.pending;
  if (seccompArchitecture === undefined) return spec;
  const capabilities = spec.process.capabilities?.bounding ?? [];
  const seccomp = defaultSeccompProfile(seccompArchitecture, capabilities);
  return { ...spec, linux: { ...spec.linux, seccomp } };
}

/** Adapts a configuration to its user namespace, if it has one. */
function fitUserNamespace(spec: ContainerSpec, image: string): ContainerSpec {
  const { namespaces = [], uidMappings = [], gidMappings = [] } = spec.linux;
  if (uidMappings.length === 0 && gidMappings.length === 0) return spec;
  const { uid, gid, additionalGids = [], ...user } = spec.process.user;
  checkMapped("user", uid, uidMappings, image);
  checkMapped("group", gid, gidMappings, image);
  const hostNetwork = !namespaces.some(({ type }) => type === "network");
  return {
    ...spec,
    mounts: spec.mounts
      .map((mount) => hostNetwork ? bindSys(mount) : mount)
      .map((mount) => isMapped(5, gidMappings) ? mount : withoutGroup(mount)),
    process: {
      ...spec.process,
      user: withGroups({ ...user, uid, gid }, keepGids(additionalGids, gidMappings)),
    },
  };
}

function isMapped(id: number, map: readonly IdMapping[]): boolean {
  return map.some(({ containerID, size }) => id >= containerID && id < containerID + size);
}

function checkMapped(
  kind: "user" | "group",
  id: number,
  map: readonly IdMapping[],
  image: string,
): void {
  if (isMapped(id, map)) return;
  const ranges = map.map(({ containerID, size }) =>
    size === 1 ? `${containerID}` : `${containerID}-${containerID + size - 1}`
  );
  throw explainedError(RangeError, {
    code: "invalid-argument",
    action: `run ${image} as ${kind} ${id}`,
    subject: String(id),
    problem: `the user namespace has only these ${kind} IDs: ${ranges.join(", ")}`,
    advice: `Map the ID, or run as another ${kind}`,
    option: kind === "user" ? "uidMap" : "gidMap",
  });
}

/** Removes supplementary groups if a single group is mapped: the kernel denies setgroups(2). */
function keepGids(gids: readonly number[], map: readonly IdMapping[]): readonly number[] {
  const mapped = map.reduce((count, { size }) => count + size, 0);
  return mapped === 1 ? [] : gids.filter((gid) => isMapped(gid, map));
}

/** Replaces sysfs, which the kernel only mounts for the owner of the network namespace. */
function bindSys(mount: Mount): Mount {
  if (mount.destination !== "/sys" || mount.type !== "sysfs") return mount;
  const options = ["rbind", "nosuid", "noexec", "nodev", "ro"];
  return { destination: "/sys", type: "bind", source: "/sys", options };
}

function withoutGroup(mount: Mount): Mount {
  if (mount.type !== "devpts") return mount;
  return { ...mount, options: (mount.options ?? []).filter((option) => option !== "gid=5") };
}
