import configuration from "../../../deno.json" with { type: "json" };
import { hostPlatform } from "../../../registry/host_platform.ts";
import { formatPlatform } from "../../../spec/platform.ts";
import type { Command } from "../../frame/command.ts";
import { examineContainers } from "../../doctor/doctor_containers.ts";
import { examineCredentials } from "../../doctor/doctor_credentials.ts";
import { examineStore } from "../../doctor/doctor_store.ts";
import {
  type Diagnosis,
  type Finding,
  formatFindings,
  isGranted,
} from "../../terminal/findings.ts";
import type { Session } from "../../frame/session.ts";

/** Describes `oci doctor`. */
export function define(command: Command): Command {
  return command
    .description(
      "Tells what this machine offers and what is in the way: the store, credential files and " +
        "their helpers, runtimes, overlays, user namespaces, and Deno's permissions. No secret is " +
        "shown, no registry is asked, and what is tried in the store is removed again. What may " +
        "not be looked at is said to be unknown.",
    )
    .notes(`
Exits with 0 whatever it finds.

Examples:
  oci doctor
  oci doctor --json | jq -r '.findings[] | select(.state == "problem").says'
  deno run $(oci permissions doctor) jsr:@x/oci doctor`);
}

/** Runs `oci doctor`. */
export async function run(session: Session): Promise<void> {
  const host = describeHost();
  const diagnoses = [
    await examineStore(session),
    await examineCredentials(),
    await examineContainers(),
    examinePermissions(),
  ];
  session.signal.throwIfAborted();
  const findings = diagnoses.flatMap((diagnosis) => diagnosis.findings);
  const facts = Object.assign({}, ...diagnoses.map((diagnosis) => diagnosis.facts));
  const { oci, deno, platform, kernel } = host;
  const system = kernel === null ? platform : `${platform}, kernel ${kernel}`;
  await session.print({ ...host, ...facts, findings }, [
    `oci ${oci}, Deno ${deno}, ${system}`,
    ...formatFindings(findings),
  ]);
}

/** What runs, and on what. */
interface Host {
  readonly oci: string;
  readonly deno: string;
  /** The platform whose images run here. */
  readonly platform: string;
  readonly kernel: string | null;
}

function describeHost(): Host {
  return {
    oci: configuration.version,
    deno: Deno.version.deno,
    platform: formatPlatform(hostPlatform()),
    kernel: isGranted({ name: "sys", kind: "osRelease" }) ? Deno.osRelease() : null,
  };
}

/** What the lack of each permission costs. */
const COSTS: Readonly<Record<Deno.PermissionDescriptor["name"], string>> = {
  read: "there are no images, no credentials of docker and podman, and no programs",
  write: "nothing is pulled, unpacked or bundled",
  net: "no registry is asked",
  env: "the store must be named with --store, and credential files are not found",
  run: "there are no containers, no credential helpers and no overlays of fuse-overlayfs",
  ffi: "there are no mounts, device nodes and extended attributes; bundles are extracted",
  sys: "bundle, run and unbundle do not know whether they are root",
  import: "",
};

const PERMISSIONS = ["read", "write", "net", "env", "run", "ffi", "sys"] as const;

function examinePermissions(): Diagnosis {
  const granted = PERMISSIONS.map((name) => [name, isGranted({ name })] as const);
  const findings = granted.map(([name, isWhole]): Finding => {
    const about = "Permissions";
    if (isWhole) return { about, state: "ok", says: `--allow-${name} is granted` };
    return {
      about,
      state: "note",
      says: `--allow-${name} is not granted for everything: where it is missing, ${COSTS[name]}`,
      advice: 'see "oci permissions COMMAND"',
    };
  });
  return { facts: { permissions: Object.fromEntries(granted) }, findings };
}
