import {
  type ReadRegistriesConf,
  readRegistriesConf,
} from "../../registry/configuration/registries_files.ts";
import { RegistriesConfError } from "../../registry/errors.ts";
import type { RegistryHost, RegistryRule } from "../../registry/registry_rule.ts";
import { problemOf } from "../../spec/error_facts.ts";
import { withSmallLetter } from "../terminal/format.ts";
import { type Diagnosis, type DoctorFinding, missingFlags, Subject } from "./findings.ts";

const MIRRORS = new Subject("Mirrors");

/** Checks the files that configure mirrors and blocked registries. */
export async function examineRegistries(): Promise<Diagnosis> {
  const warnings: string[] = [];
  const read = await tryToRead((message) => warnings.push(message));
  const findings: DoctorFinding[] = [
    ...read instanceof RegistriesConfError ? [damaged(read)] : findingsOf(read),
    ...warnings.map((says) => MIRRORS.problem(withSmallLetter(says))),
  ];
  if (findings.length === 0) {
    findings.push(MIRRORS.ok("only those specified with --mirror are used"));
  }
  const facts = read instanceof RegistriesConfError
    ? { files: [], damagedFile: read.path }
    : { files: read.files };
  return { facts: { mirrors: facts }, findings };
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
  { files, rules, aliases, notGranted, unused }: ReadRegistriesConf,
): readonly DoctorFinding[] {
  const unknown = missingFlags(notGranted.map((path) => ({ name: "read", path })));
  const names = [...aliases].filter(([, name]) => name !== "").length;
  return [
    ...files.map((path) => MIRRORS.ok(`${path} is read`)),
    ...rules.map((rule) => MIRRORS.ok(describe(rule))),
    ...unused.map(({ path, registry }) => {
      const what = registry === "*" ? "other registries" : registry;
      return MIRRORS.note(`${path} is not used for ${what}: another file names it`);
    }),
    ...names === 0 ? [] : [MIRRORS.ok(`${names} short names are aliases`)],
    ...unknown.length === 0 ? [] : [MIRRORS.ungranted("whether other files exist", unknown)],
  ];
}

function describe(rule: RegistryRule): string {
  const { prefix, location, isBlocked, isInsecure, mirrors, hosts } = rule;
  if (isBlocked) return `${prefix} is blocked`;
  const isDefault = prefix === "*";
  const name = isDefault ? "any other registry" : prefix;
  const itself = isDefault ? "the registry itself" : prefix;
  const places = hosts?.map((host) => describeHost(host, itself)) ?? [
    ...mirrors.map(({ location, use }) => use === "all" ? location : `${location} (${use})`),
    location ?? itself,
  ];
  return `${name} is pulled from ${places.join(", then ")}` +
    (isInsecure ? ", with plain HTTP if it does not use TLS" : "");
}

/** Describes a host, without headers, which may be secret. */
function describeHost(
  { url, capabilities, isMirror, skipVerify }: RegistryHost,
  registry: string,
): string {
  const lacks = ["pull", "resolve", "push"].filter((name) => {
    return !capabilities.some((known) => known === name) && !(isMirror && name === "push");
  });
  const notes = [
    ...isMirror && capabilities.includes("push") ? ["also for uploads"] : [],
    ...lacks.map((name) => LACKS[name] ?? ""),
    ...skipVerify ? ["certificate not verified"] : [],
  ];
  return `${url ?? registry}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
}

/** Uses that a host lacks without each capability. */
const LACKS: Readonly<Record<string, string>> = {
  pull: "not for content",
  resolve: "not for tags",
  push: "not for uploads",
};
