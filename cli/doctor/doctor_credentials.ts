import { dirname, join } from "../../spec/paths.ts";
import { CredentialFiles } from "../../registry/auth/credential_files.ts";
import {
  type CredentialFileSummary,
  type CredentialHelperName,
  summarizeCredentials,
} from "../../registry/auth/credential_summary.ts";
import { findProgram } from "../../store/host/find_runtime.ts";
import { programPlaces } from "./doctor_containers.ts";
import {
  type Diagnosis,
  type Finding,
  isGranted,
  missingFlags,
  unknownFinding,
} from "../terminal/findings.ts";

const ABOUT = "Credentials";

/** What leads to credential files. */
const VARIABLES = ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"];

/** Finds out which credential files there are and whom they name; and files that do not count. */
export async function examineCredentials(): Promise<Diagnosis> {
  const env = missingFlags(
    [...VARIABLES, "HOME"].map((variable) => ({ name: "env", variable } as const)),
  );
  const files = await Promise.all(new CredentialFiles().paths.map(describeFile));
  const ignored = await findIgnored();
  const findings: Finding[] = files.flatMap(findingsOf);
  if (env.length > 0) {
    findings.push(unknownFinding(ABOUT, "where other files are", env));
  }
  return {
    facts: { credentials: files, mirrors: { ignoredFiles: ignored } },
    findings: [...findings, ...mirrorFindings(ignored)],
  };
}

/** A helper, and where it is: `null` if it is not on the path, absent if that is not known. */
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
  // A helper is run by its name alone.
  return { ...helper, found: path !== undefined && onPath.has(dirname(path)) ? path : null };
}

function findingsOf(file: FoundFile): readonly Finding[] {
  const { path, state, registries, helpers, problems } = file;
  const about = ABOUT;
  if (state === "absent") return [{ about, state: "note", says: `${path} is not there` }];
  if (state === "not granted") {
    return [unknownFinding(about, `what ${path} has`, missingFlags([{ name: "read", path }]))];
  }
  if (state !== "found") {
    const says = `${path} ${state === "invalid" ? "is not JSON" : "cannot be read"}`;
    return [{ about, state: "problem", says, advice: "mend it, or log in again" }];
  }
  const names = registries.length === 0 ? "no registry" : registries.join(", ");
  return [
    { about, state: "ok", says: `${path} has credentials for ${names}` },
    ...helpers.map((helper) => helperFinding(helper, path)),
    ...problems.map(({ registry, why }): Finding => ({
      ...{ about, state: "problem", advice: `log in to ${registry} again` },
      says: `${path} has an entry for ${registry} that cannot be read: ${why}`,
    })),
  ];
}

function helperFinding({ registry, program, found }: FoundHelper, path: string): Finding {
  const about = ABOUT;
  const purpose = registry ?? "every registry without a helper of its own";
  const says = `${program} is named for ${purpose} in ${path}`;
  if (found === null) {
    const advice = "install it on the PATH, or log in again without it";
    return { about, state: "problem", says: `${says}, and is not installed`, advice };
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
    return { about, state: "ok", says: `${says}, and is ${found}` };
  }
  const advice = `grant --allow-run=${program}`;
  return { about, state: "note", says: `${says}, and may not be run`, advice };
}

/** Files of other programs that name mirrors, which this one does not read. */
async function findIgnored(): Promise<readonly string[]> {
  const isHomeKnown = isGranted({ name: "env", variable: "HOME" });
  const home = (isHomeKnown && Deno.env.get("HOME")) || undefined;
  const files = [
    ...home === undefined ? [] : [join(home, ".config", "containers", "registries.conf")],
    ...MIRROR_FILES,
  ];
  const there = await Promise.all(files.map(async (path) => {
    if (!isGranted({ name: "read", path })) return false;
    try {
      return (await Deno.stat(path)).isFile;
    } catch {
      // Absent or closed to this user: nobody reads it either way.
      return false;
    }
  }));
  return files.filter((_, i) => there[i]);
}

/** Where podman and docker have their mirrors. */
const MIRROR_FILES: readonly string[] = [
  "/etc/containers/registries.conf",
  "/etc/docker/daemon.json",
];

function mirrorFindings(files: readonly string[]): readonly Finding[] {
  const about = "Mirrors";
  if (files.length === 0) return [{ about, state: "ok", says: "those of --mirror are asked" }];
  return files.map((path) => ({
    ...{ about, state: "note", says: `${path} is there and is not read` },
    advice: "name the mirrors that it has with --mirror",
  }));
}
