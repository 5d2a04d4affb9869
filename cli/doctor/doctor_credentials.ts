import { CredentialFiles } from "../../registry/auth/credential_files.ts";
import {
  type CredentialFileSummary,
  type CredentialHelperName,
  summarizeCredentials,
} from "../../registry/auth/credential_summary.ts";
import { dirname } from "../../spec/paths.ts";
import { findProgram } from "../../store/host/find_runtime.ts";
import {
  type Diagnosis,
  type DoctorFinding,
  isGranted,
  missingFlags,
  unknownFinding,
} from "../terminal/findings.ts";
import { programPlaces } from "./doctor_containers.ts";

const ABOUT = "Credentials";

/** Variables that name credential files. */
const VARIABLES = ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"];

/** Checks the credential files and their helpers. */
export async function examineCredentials(): Promise<Diagnosis> {
  const env = missingFlags(
    [...VARIABLES, "HOME"].map((variable) => ({ name: "env", variable } as const)),
  );
  const files = await Promise.all(new CredentialFiles().paths.map(describeFile));
  const findings: DoctorFinding[] = files.flatMap(findingsOf);
  if (env.length > 0) {
    findings.push(unknownFinding(ABOUT, "the location of other files", env));
  }
  return {
    facts: { credentials: files },
    findings,
  };
}

/** A helper and its path: `null` if it is not installed, absent if unknown. */
interface FoundHelper extends CredentialHelperName {
  readonly found?: string | null;
}

type FoundFile = Omit<CredentialFileSummary, "helpers"> & {
  readonly helpers: readonly FoundHelper[];
};

async function describeFile(path: string): Promise<FoundFile> {
  const file = await summarizeCredentials(path);
  return { ...file, helpers: await Promise.all(file.helpers.map(findHelper)) };
}

async function findHelper(helper: CredentialHelperName): Promise<FoundHelper> {
  const { needs, onPath } = programPlaces();
  if (missingFlags(needs).length > 0) return helper;
  const path = await findProgram(helper.program);
  // Helpers run by name.
  return { ...helper, found: path !== undefined && onPath.has(dirname(path)) ? path : null };
}

function findingsOf(file: FoundFile): readonly DoctorFinding[] {
  const { path, state, registries, helpers, problems } = file;
  const about = ABOUT;
  if (state === "absent") return [{ about, state: "note", says: `${path} does not exist` }];
  if (state === "not granted") {
    return [
      unknownFinding(about, `the content of ${path}`, missingFlags([{ name: "read", path }])),
    ];
  }
  if (state !== "found") {
    const says = `${path} ${state === "invalid" ? "is not JSON" : "cannot be read"}`;
    return [{ about, state: "problem", says, advice: "fix the file, or log in again" }];
  }
  const names = registries.length === 0 ? "no registry" : registries.join(", ");
  return [
    { about, state: "ok", says: `${path} has credentials for ${names}` },
    ...helpers.map((helper) => helperFinding(helper, path)),
    ...problems.map(({ registry, why }): DoctorFinding => ({
      about,
      state: "problem",
      advice: `log in to ${registry} again`,
      says: `${path} has an entry for ${registry} that cannot be read: ${why}`,
    })),
  ];
}

function helperFinding({ registry, program, found }: FoundHelper, path: string): DoctorFinding {
  const about = ABOUT;
  const purpose = registry ?? "all registries without a specific helper";
  const says = `${path} names ${program} for ${purpose}`;
  if (found === null) {
    const advice = "install it on the PATH, or log in again without it";
    return { about, state: "problem", says: `${says}, which is not installed`, advice };
  }
  if (found === undefined) {
    const flags = missingFlags(programPlaces().needs);
    return unknownFinding(
      about,
      `whether ${program} is installed: it ${says.slice(program.length + 1)}`,
      flags,
    );
  }
  if (isGranted({ name: "run", command: found })) {
    return { about, state: "ok", says: `${says}, installed as ${found}` };
  }
  const advice = `grant --allow-run=${program}`;
  return { about, state: "note", says: `${says}, which Deno may not run`, advice };
}
