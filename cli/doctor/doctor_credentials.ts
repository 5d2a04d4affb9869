import { readRegistriesConf } from "../../registry/configuration/registries_files.ts";
import {
  CREDENTIAL_VARIABLES,
  FILES_HELPER,
  helperOrder,
  helperProgram,
} from "../../registry/credentials/credential_paths.ts";
import type {
  CredentialFileSummary,
  CredentialHelperName,
} from "../../registry/credentials/credential_summary.ts";
import { RegistriesConfError } from "../../registry/errors.ts";
import type { DefaultCredentialHelpers } from "../../registry/registry_rule.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import { isGranted } from "../../spec/granted.ts";
import { dirname } from "../../spec/paths.ts";
import { findProgram } from "../../store/host/find_program.ts";
import { summarizePlaces } from "../access/credential_places.ts";
import { programPlaces } from "./doctor_containers.ts";
import {
  type Diagnosis,
  type DoctorFinding,
  missingFlags,
  missingVariables,
  Subject,
} from "./findings.ts";

const CREDENTIALS = new Subject("Credentials");

/** Checks the credential files and their helpers. */
export async function examineCredentials(): Promise<Diagnosis> {
  const env = missingVariables(CREDENTIAL_VARIABLES);
  const summaries = await summarizePlaces();
  const helpers = await defaultHelpers();
  const listed = helpers === undefined ? [] : [summarizeHelpers(helpers)];
  const files = [...listed, ...summaries].map((file) => {
    return { ...file, helpers: file.helpers.map(findHelper) };
  });
  const findings: DoctorFinding[] = files.flatMap(findingsOf);
  if (helpers !== undefined && !helperOrder(helpers).includes(FILES_HELPER)) {
    findings.push(CREDENTIALS.note(
      `${helpers.file} lists helpers without "${FILES_HELPER}", so credential files are not used`,
      `add "${FILES_HELPER}" to credential-helpers`,
    ));
  }
  if (env.length > 0) {
    findings.push(CREDENTIALS.ungranted("the location of other files", env));
  }
  return { facts: { credentials: files }, findings };
}

/** Reads the helpers in `registries.conf` files. Another check reports problems with the files. */
async function defaultHelpers(): Promise<DefaultCredentialHelpers | undefined> {
  return (await unlessRejected(readRegistriesConf(), RegistriesConfError))?.credentialHelpers;
}

function summarizeHelpers(helpers: DefaultCredentialHelpers): CredentialFileSummary {
  const programs = helperOrder(helpers).filter((name) => name !== FILES_HELPER)
    .map((name) => ({ program: helperProgram(name) }));
  return {
    path: helpers.file,
    state: "found",
    registries: [],
    helpers: programs,
    problems: [],
  };
}

/** A helper and its path: `null` if it is not installed, absent if unknown. */
interface FoundHelper extends CredentialHelperName {
  readonly found?: string | null;
}

type FoundFile = Omit<CredentialFileSummary, "helpers"> & {
  readonly helpers: readonly FoundHelper[];
};

function findHelper(helper: CredentialHelperName): FoundHelper {
  const { needs, onPath } = programPlaces();
  if (missingFlags(needs).length > 0) return helper;
  const path = findProgram(helper.program);
  // Helpers run by name.
  return { ...helper, found: path !== undefined && onPath.has(dirname(path)) ? path : null };
}

function findingsOf(file: FoundFile): readonly DoctorFinding[] {
  const { path, state, registries, helpers, problems } = file;
  const isVariable = path.startsWith("$");
  if (state === "absent") return [CREDENTIALS.note(`${path} does not exist`)];
  if (state === "not granted") {
    const flags = missingFlags([{ name: "read", path }]);
    return [CREDENTIALS.ungranted(`the content of ${path}`, flags)];
  }
  if (state !== "found") {
    const says = `${path} ${state === "invalid" ? "is not JSON" : "cannot be read"}`;
    const advice = isVariable ? "fix the variable, or unset it" : "fix the file, or log in again";
    return [CREDENTIALS.problem(says, advice)];
  }
  const hasHelpersOnly = registries.length === 0 && helpers.length > 0;
  const names = registries.length === 0 ? "no registry" : registries.join(", ");
  return [
    ...hasHelpersOnly ? [] : [CREDENTIALS.ok(`${path} has credentials for ${names}`)],
    ...helpers.map((helper) => helperFinding(helper, path)),
    ...problems.map(({ registry, why }) =>
      CREDENTIALS.problem(
        `${path} has an entry for ${registry} that cannot be read: ${why}`,
        isVariable ? "fix the variable, or unset it" : `log in to ${registry} again`,
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
