import configuration from "../../../deno.json" with { type: "json" };
import { RemoteClient } from "../../../registry/client/remote_client.ts";
import { BlockedRegistryError, RegistriesConfError } from "../../../registry/errors.ts";
import { hostPlatform } from "../../../registry/host_platform.ts";
import type { RegistryEndpoint } from "../../../registry/remote_client_options.ts";
import { problemOf } from "../../../spec/error_facts.ts";
import type { OciError } from "../../../spec/errors.ts";
import { isGranted } from "../../../spec/granted.ts";
import { formatPlatform } from "../../../spec/platform.ts";
import { readReference } from "../../access/references.ts";
import { readRegistries } from "../../access/registries.ts";
import { examineCertificates } from "../../doctor/doctor_certificates.ts";
import { examineContainers } from "../../doctor/doctor_containers.ts";
import { examineCredentials } from "../../doctor/doctor_credentials.ts";
import { examineRegistries } from "../../doctor/doctor_registries.ts";
import { examineStore } from "../../doctor/doctor_store.ts";
import { type Diagnosis, formatFindings, Subject } from "../../doctor/findings.ts";
import type { Command } from "../../frame/command.ts";
import { addOptions, mirrorsOf, type RegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("[ref]", "image for which to list the addresses that are tried, in order")
    .description(
      "Checks this machine: the store, credential files and their helpers, certificates for " +
        "registries, OCI runtimes, overlays, user namespaces and Deno permissions. Shows no " +
        "secrets, contacts no registry, and removes its test files from the store. Checks that " +
        'lack a permission report "unknown".',
    );
  return addOptions(described, ["plain-http", "mirror"]).notes(`
Always exits with 0.

Examples:
  oci doctor
  oci doctor --mirror docker.io=https://mirror.example alpine:3.20
  oci doctor --json | jq -r '.findings[] | select(.state == "problem").says'
  deno run $(oci permissions doctor) jsr:@x/oci doctor`);
}

export async function run(session: Session): Promise<void> {
  const [reference] = session.operands;
  const host = describeHost();
  const diagnoses = [
    ...reference === undefined ? [] : [await examineEndpoints(session, reference)],
    await examineStore(session),
    await examineCredentials(),
    await examineCertificates(),
    await examineRegistries(),
    ...await examineContainers(),
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

const ENDPOINTS = new Subject("Endpoints");

/** Lists the addresses where an image is looked up, in order. Sends no request. */
async function examineEndpoints(session: Session, text: string): Promise<Diagnosis> {
  const options = session.options<RegistryOptions>();
  const { plainHttp } = options;
  using client = new RemoteClient({
    mirrors: mirrorsOf(options),
    registries: () => readRegistries(session),
    plainHttp,
  });
  const endpoints = await endpointsOf(client, text);
  if (endpoints instanceof Error) {
    const finding = ENDPOINTS.problem(`${text} is not reached: ${problemOf(endpoints)}`);
    return { facts: { endpoints: [] }, findings: [finding] };
  }
  return {
    facts: { endpoints },
    findings: endpoints.map(({ url, isMirror }, i) => {
      return ENDPOINTS.ok(`${i + 1}. ${url}${isMirror ? " (mirror)" : ""}`);
    }),
  };
}

/** Returns the addresses, or the error if a file blocks the image or is damaged. */
async function endpointsOf(
  client: RemoteClient,
  text: string,
): Promise<readonly RegistryEndpoint[] | OciError> {
  try {
    return await client.endpoints(readReference(text));
  } catch (error) {
    if (error instanceof RegistriesConfError || error instanceof BlockedRegistryError) return error;
    throw error;
  }
}

/** Returns the versions of the program and the system. */
function describeHost() {
  return {
    oci: configuration.version,
    deno: Deno.version.deno,
    platform: formatPlatform(hostPlatform()),
    kernel: isGranted({ name: "sys", kind: "osRelease" }) ? Deno.osRelease() : null,
  };
}

/** Limitations where a permission is missing. */
const COSTS = {
  read: "images, credentials and certificates of docker and podman, and programs cannot be read",
  write: "nothing can be pulled, unpacked or bundled",
  net: "registries cannot be reached",
  env: "--store is required, and credentials and certificates in the home directory are not found",
  run: "containers, credential helpers and fuse-overlayfs cannot run",
  ffi: "mounts, device nodes and extended attributes do not work; bundles are extracted",
  sys: "bundle, run and unbundle cannot tell whether the user is root",
} as const;

const PERMISSIONS = Object.keys(COSTS) as (keyof typeof COSTS)[];

const ALLOWED = new Subject("Permissions");

function examinePermissions(): Diagnosis {
  const granted = PERMISSIONS.map((name) => [name, isGranted({ name })] as const);
  const findings = granted.map(([name, isWhole]) => {
    if (isWhole) return ALLOWED.ok(`--allow-${name} is granted`);
    return ALLOWED.note(
      `--allow-${name} is not granted in full: where it is missing, ${COSTS[name]}`,
      'see "oci permissions COMMAND"',
    );
  });
  return { facts: { permissions: Object.fromEntries(granted) }, findings };
}
