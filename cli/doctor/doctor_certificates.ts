import { CertificateDirectories } from "../../registry/auth/certificate_directories.ts";
import { describeSystemError } from "../../store/host/system_error.ts";
import {
  type Diagnosis,
  type DoctorFinding,
  isGranted,
  missingFlags,
  unknownFinding,
} from "../terminal/findings.ts";
import { withSmallLetter } from "../terminal/format.ts";

const ABOUT = "Certificates";

/** Variables that locate the directories. */
const VARIABLES = ["XDG_CONFIG_HOME", "HOME"];

/** Checks the directories with certificates for registries, and reports the hosts in them. */
export async function examineCertificates(): Promise<Diagnosis> {
  const env = missingFlags(VARIABLES.map((variable) => ({ name: "env", variable } as const)));
  const facts: { readonly path: string; readonly hosts: readonly string[] }[] = [];
  const findings: DoctorFinding[] = [];
  const used = new Map<string, string>();
  for (const path of new CertificateDirectories().paths) {
    const names = await listHosts(path);
    if (!Array.isArray(names)) {
      findings.push(names);
      continue;
    }
    const isShadowed = (name: string) => used.has(hostOf(name));
    const hosts = names.filter((name) => !isShadowed(name));
    findings.push(...names.filter(isShadowed).map((name) => shadowedFinding(path, name, used)));
    for (const name of hosts) {
      used.set(hostOf(name), `${path}/${name}`);
      findings.push(...await examineHost(path, name));
    }
    if (hosts.length > 0) facts.push({ path, hosts });
  }
  if (env.length > 0) {
    findings.push(unknownFinding(ABOUT, "the location of other directories", env));
  }
  if (findings.length === 0) {
    const says = "only those of --ca and the system are used: no certs.d has any";
    findings.push({ about: ABOUT, state: "ok", says });
  }
  return { facts: { certificates: facts }, findings };
}

/** Returns the names of the directories for hosts in a directory, or why they are unknown. */
async function listHosts(path: string): Promise<string[] | DoctorFinding> {
  const need = { name: "read", path } as const;
  if (!isGranted(need)) {
    return unknownFinding(ABOUT, `the content of ${path}`, missingFlags([need]));
  }
  try {
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
    const stats = await Promise.all(
      names.map((name) => Deno.stat(`${path}/${name}`).catch(absent)),
    );
    return names.filter((_, i) => stats[i]?.isDirectory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    const says = `${path} cannot be read: ${describeSystemError(error)}`;
    return { about: ABOUT, state: "note", says };
  }
}

/** A link without a target is no directory. */
function absent(): undefined {}

async function examineHost(path: string, name: string): Promise<readonly DoctorFinding[]> {
  const problems: string[] = [];
  const found = await new CertificateDirectories({ paths: [path] }).find(name, {
    onWarning: (message) => problems.push(message),
  });
  const { caCerts = [], clientCertificate } = found ?? {};
  const contents = [
    ...caCerts.length === 0 ? [] : ["authorities"],
    ...clientCertificate === undefined ? [] : ["a client certificate"],
  ];
  const directory = `${path}/${name}`;
  const finding: DoctorFinding = contents.length === 0
    ? {
      about: ABOUT,
      state: "note",
      says: `${directory} has no usable certificate`,
      advice: "name authorities *.crt, and client certificates *.cert with *.key",
    }
    : { about: ABOUT, state: "ok", says: `${directory} has ${contents.join(" and ")}` };
  return [
    finding,
    ...problems.map((problem): DoctorFinding => {
      return { about: ABOUT, state: "problem", says: withSmallLetter(problem) };
    }),
  ];
}

function shadowedFinding(
  path: string,
  name: string,
  used: ReadonlyMap<string, string>,
): DoctorFinding {
  const says = `${path}/${name} is not used: ${used.get(hostOf(name))} comes first`;
  return { about: ABOUT, state: "note", says };
}

/** Returns the host of a directory; 443 is the default port. */
function hostOf(name: string): string {
  return name.replace(/:443$/, "");
}
