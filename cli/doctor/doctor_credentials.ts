import { CredentialFiles } from "../../registry/auth/credential_files.ts";
import {
  type CredentialFileSummary,
  type CredentialHelperName,
  summarizeCredentials,
} from "../../registry/auth/credential_summary.ts";
import { isGranted } from "../../spec/granted.ts";
import { dirname } from "../../spec/paths.ts";
import { findProgram } from "../../store/host/find_program.ts";
import { programPlaces } from "./doctor_containers.ts";
import { type Diagnosis, type DoctorFinding, missingFlags, Subject } from "./findings.ts";

const CREDENTIALS = new Subject("Credentials");

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
    findings.push(CREDENTIALS.ungranted("the location of other files", env));
  }
  return { facts: { credentials: files }, findings };
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
  return { ...file, helpers: file.helpers.map(findHelper) };
}

function findHelper(helper: CredentialHelperName): FoundHelper {
  const { needs, onPath } = programPlaces();
  if (missingFlags(needs).length > 0) return helper;
  const path = findProgram(helper.program);
  // Helpers run by name.
  return { ...helper, found: path !== undefined && onPath.has(dirname(path)) ? path : null };
}

function findingsOf(file: FoundFile): readonly DoctorFinding[] {
  const { path, state, registries, helpers, problems } = file;
  if (state === "absent") return [CREDENTIALS.note(`${path} does not exist`)];
  if (state === "not granted") {
    const flags = missingFlags([{ name: "read", path }]);
    return [CREDENTIALS.ungranted(`the content of ${path}`, flags)];
  }
  if (state !== "found") {
    const says = `${path} ${state === "invalid" ? "is not JSON" : "cannot be read"}`;
    return [CREDENTIALS.problem(says, "fix the file, or log in again")];
  }
  const names = registries.length === 0 ? "no registry" : registries.join(", ");
  return [
    CREDENTIALS.ok(`${path} has credentials for ${names}`),
    ...helpers.map((helper) => helperFinding(helper, path)),
    ...problems.map(({ registry, why }) =>
      CREDENTIALS.problem(
        `${path} has an entry for ${registry} that cannot be read: ${why}`,
        `log in to ${registry} again`,
      )
    ),
  ];
}

function helperFinding({ registry, program, found }: FoundHelper, path: string): DoctorFinding {
  const purpose = registry ?? "all registries without a specific helper";
  const says = `${path} names ${program} for ${purpose}`;
  if (found === null) {
    return CREDENTIALS.problem(
      `${says}, which is not installed`,
      "install it on the PATH, or log in again without it",
    );
  }
  if (found === undefined) {
    const flags = missingFlags(programPlaces().needs);
    return CREDENTIALS.ungranted(`whether ${program} is installed, which ${path} names`, flags);
  }
  return isGranted({ name: "run", command: found })
    ? CREDENTIALS.ok(`${says}, installed as ${found}`)
    : CREDENTIALS.note(`${says}, which Deno may not run`, `grant --allow-run=${program}`);
}
