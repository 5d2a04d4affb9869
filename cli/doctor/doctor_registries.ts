import type { RegistryRule } from "../../registry/remote_client_options.ts";
import { RegistriesConfError } from "../../registry/errors.ts";
import {
  type ReadRegistriesConf,
  readRegistriesConf,
} from "../../registry/configuration/registries_files.ts";
import { problemOf } from "../../spec/error_facts.ts";
import {
  type Diagnosis,
  type DoctorFinding,
  isGranted,
  missingFlags,
  unknownFinding,
} from "../terminal/findings.ts";

const ABOUT = "Mirrors";

/** Files with mirrors of other programs, which are not read. */
const IGNORED_FILES: readonly string[] = ["/etc/docker/daemon.json"];

/** Checks the files that configure mirrors and blocked registries. */
export async function examineRegistries(): Promise<Diagnosis> {
  const warnings: string[] = [];
  const ignored = IGNORED_FILES.filter(isFile);
  const read = await tryToRead((message) => warnings.push(message));
  const findings: DoctorFinding[] = [
    ...read instanceof RegistriesConfError ? [damaged(read)] : findingsOf(read),
    ...warnings.map((says): DoctorFinding => ({ about: ABOUT, state: "problem", says })),
    ...ignored.map((path): DoctorFinding => ({
      about: ABOUT,
      state: "note",
      says: `${path} exists and is not read`,
      advice: "specify its mirrors with --mirror",
    })),
  ];
  const none = "only those given with --mirror are used";
  const facts = read instanceof RegistriesConfError
    ? { files: [], damagedFile: read.path }
    : { files: read.files };
  return {
    facts: { mirrors: { ...facts, ignoredFiles: ignored } },
    findings: findings.length === 0 ? [{ about: ABOUT, state: "ok", says: none }] : findings,
  };
}

async function tryToRead(
  onWarning: (message: string) => void,
): Promise<ReadRegistriesConf | RegistriesConfError> {
  try {
    return await readRegistriesConf({ onWarning });
  } catch (error) {
    if (error instanceof RegistriesConfError) return error;
    throw error;
  }
}

function damaged(error: RegistriesConfError): DoctorFinding {
  const says = `${error.path} cannot be used: ${problemOf(error)}`;
  return { about: ABOUT, state: "problem", says, advice: "correct the file" };
}

function findingsOf(
  { files, rules, aliases, notGranted }: ReadRegistriesConf,
): readonly DoctorFinding[] {
  const unknown = missingFlags(notGranted.map((path) => ({ name: "read", path })));
  const names = [...aliases].filter(([, name]) => name !== "").length;
  return [
    ...files.map((path): DoctorFinding => ({ about: ABOUT, state: "ok", says: `${path} is read` })),
    ...rules.map((rule): DoctorFinding => ({ about: ABOUT, state: "ok", says: describe(rule) })),
    ...names === 0 ? [] : [
      { about: ABOUT, state: "ok", says: `${names} short names are aliases` } as const,
    ],
    ...unknown.length === 0 ? [] : [unknownFinding(ABOUT, "whether other files exist", unknown)],
  ];
}

function describe({ prefix, location, isBlocked, isInsecure, mirrors }: RegistryRule): string {
  if (isBlocked) return `${prefix} is blocked`;
  const places = [
    ...mirrors.map(({ location, use }) => use === "all" ? location : `${location} (${use})`),
    location ?? prefix,
  ];
  return `${prefix} is pulled from ${places.join(", then ")}` +
    (isInsecure ? ", with plain HTTP if it does not use TLS" : "");
}

function isFile(path: string): boolean {
  if (!isGranted({ name: "read", path })) return false;
  try {
    return Deno.statSync(path).isFile;
  } catch {
    // Absent or unreadable for this user.
    return false;
  }
}
