import { isGranted } from "../../spec/granted.ts";
import { ENOUGH_IDS } from "../../store/host/default_ownership.ts";
import { pathPlaces, PROGRAM_PLACES } from "../../store/host/find_program.ts";
import { readCgroupHierarchy } from "../../store/runtime/cgroup_hierarchy.ts";
import { RUNTIMES } from "../../store/runtime/find_runtime.ts";
import { type InstalledRuntime, listRuntimes } from "../../store/runtime/installed_runtimes.ts";
import { ID_FILES, isRootlessNeeded, readRootlessMaps } from "../../store/runtime/rootless_maps.ts";
import { userNamespacesSupported } from "../../store/runtime/user_namespaces.ts";
import { idsAdvice } from "../frame/ids_advice.ts";
import {
  type Diagnosis,
  type DoctorFinding,
  missingFlags,
  type Need,
  Subject,
} from "./findings.ts";

const RUNTIME = new Subject("Runtimes");
const CGROUPS = new Subject("Control groups");
const NAMESPACES = new Subject("User namespaces");

export interface ProgramPlaces {
  /** Permissions for looking up programs. */
  readonly needs: readonly Need[];
  /** Directories in `PATH`. */
  readonly onPath: ReadonlySet<string>;
}

/** Returns the directories that may contain programs. */
export function programPlaces(): ProgramPlaces {
  const variable: Need = { name: "env", variable: "PATH" };
  const onPath = new Set(pathPlaces());
  const places = [...onPath, ...PROGRAM_PLACES];
  return { onPath, needs: [variable, ...places.map((path) => ({ name: "read", path } as const))] };
}

/** Checks the installed runtimes and the kernel features that they need. */
export async function examineContainers(): Promise<readonly Diagnosis[]> {
  return [await examineRuntimes(), await examineCgroups(), await examineNamespaces()];
}

async function examineRuntimes(): Promise<Diagnosis> {
  const flags = missingFlags(programPlaces().needs);
  if (flags.length > 0) {
    const findings = [RUNTIME.ungranted("which are installed", flags)];
    return { facts: { runtimes: null }, findings };
  }
  const runtimes = await listRuntimes();
  if (runtimes.length > 0) {
    const isUsable = runtimes.some(({ obstacle }) => obstacle === undefined);
    const findings = runtimes.map((runtime) => runtimeFinding(runtime, isUsable));
    return { facts: { runtimes }, findings };
  }
  const says = `none of ${RUNTIMES.join(", ")} is installed`;
  return { facts: { runtimes }, findings: [RUNTIME.problem(says, "install one for oci run")] };
}

/** @param isUsable Whether at least one runtime has no obstacle, so that the others are not needed. */
function runtimeFinding(
  { name, path, version, obstacle }: InstalledRuntime,
  isUsable: boolean,
): DoctorFinding {
  const says = `${name} ${version ?? "of an unknown version"} is ${path}`;
  if (obstacle !== undefined) return RUNTIME[isUsable ? "note" : "problem"](says, obstacle);
  return isGranted({ name: "run", command: path })
    ? RUNTIME.ok(says)
    : RUNTIME.note(says, `grant --allow-run=${path} to run containers`);
}

async function examineCgroups(): Promise<Diagnosis> {
  try {
    const hierarchy = await readCgroupHierarchy();
    const { kind, controllers } = hierarchy;
    const controlled = controllers?.length ? ` with the controllers ${controllers.join(", ")}` : "";
    const finding = kind === "none"
      ? CGROUPS.note("none are mounted, so limits have no effect")
      : CGROUPS.ok(HIERARCHIES[kind] + controlled);
    return { facts: { cgroups: hierarchy }, findings: [finding] };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    const findings = [CGROUPS.ungranted("which version is mounted", ["--allow-ffi"])];
    return { facts: { cgroups: null }, findings };
  }
}

const HIERARCHIES = {
  v1: "version 1",
  v2: "version 2",
  hybrid: "version 1, and version 2 at /sys/fs/cgroup/unified",
} as const;

async function examineNamespaces(): Promise<Diagnosis> {
  const needs: readonly Need[] = [
    { name: "run", command: "unshare" },
    { name: "sys", kind: "uid" },
    { name: "sys", kind: "gid" },
    ...ID_FILES.map((path) => ({ name: "read", path } as const)),
    ...programPlaces().needs,
  ];
  const flags = missingFlags(needs);
  if (flags.length > 0) {
    const findings = [NAMESPACES.ungranted("whether this user can create them", flags)];
    return { facts: { userNamespaces: null }, findings };
  }
  const support = await userNamespacesSupported();
  const isNeeded = isRootlessNeeded();
  const maps = await readRootlessMaps();
  const [uids, gids] = [maps.uidMap, maps.gidMap].map((map) =>
    map.reduce((sum, { size }) => sum + size, 0)
  );
  const findings: DoctorFinding[] = [
    support.supported
      ? NAMESPACES.ok("can be created")
      : NAMESPACES[isNeeded ? "problem" : "note"](support.reason, ALLOW),
    ...isNeeded ? [idsFinding(uids ?? 1)] : [],
  ];
  return { facts: { userNamespaces: { ...support, needed: isNeeded, uids, gids } }, findings };
}

const ALLOW = "ask an administrator to allow them with the settings user.max_user_namespaces, " +
  "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns, where " +
  "the kernel has them";

function idsFinding(ids: number): DoctorFinding {
  if (ids > ENOUGH_IDS) return NAMESPACES.ok(`containers have ${ids} user IDs`);
  const says = `containers have ${ids === 1 ? "only the user ID of root" : `${ids} user IDs`}`;
  return NAMESPACES.note(says, idsAdvice());
}
