import type { RegistryRule } from "../../registry/remote_client_options.ts";
import { RegistriesConfError } from "../../registry/errors.ts";
import {
  type ReadRegistriesConf,
  readRegistriesConf,
} from "../../registry/configuration/registries_files.ts";
import { statGranted } from "../../registry/configuration/user_file.ts";
import { problemOf } from "../../spec/error_facts.ts";
import { type Diagnosis, type DoctorFinding, missingFlags, Subject } from "./findings.ts";

const MIRRORS = new Subject("Mirrors");

/** Files with mirrors of other programs, which are not read. */
const IGNORED_FILES: readonly string[] = ["/etc/docker/daemon.json"];

/** Checks the files that configure mirrors and blocked registries. */
export async function examineRegistries(): Promise<Diagnosis> {
  const warnings: string[] = [];
  const ignored = IGNORED_FILES.filter((path) => statGranted(path)?.isFile);
  const read = await tryToRead((message) => warnings.push(message));
  const findings: DoctorFinding[] = [
    ...read instanceof RegistriesConfError ? [damaged(read)] : findingsOf(read),
    ...warnings.map((says) => MIRRORS.problem(says)),
    ...ignored.map((path) => {
      return MIRRORS.note(`${path} exists and is not read`, "specify its mirrors with --mirror");
    }),
  ];
  if (findings.length === 0) {
    findings.push(MIRRORS.ok("only those specified with --mirror are used"));
  }
  const facts = read instanceof RegistriesConfError
    ? { files: [], damagedFile: read.path }
    : { files: read.files };
  return { facts: { mirrors: { ...facts, ignoredFiles: ignored } }, findings };
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
  return MIRRORS.problem(
    `${error.path} cannot be used: ${problemOf(error)}`,
    "correct the file",
  );
}

function findingsOf(
  { files, rules, aliases, notGranted }: ReadRegistriesConf,
): readonly DoctorFinding[] {
  const unknown = missingFlags(notGranted.map((path) => ({ name: "read", path })));
  const names = [...aliases].filter(([, name]) => name !== "").length;
  return [
    ...files.map((path) => MIRRORS.ok(`${path} is read`)),
    ...rules.map((rule) => MIRRORS.ok(describe(rule))),
    ...names === 0 ? [] : [MIRRORS.ok(`${names} short names are aliases`)],
    ...unknown.length === 0 ? [] : [MIRRORS.ungranted("whether other files exist", unknown)],
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
