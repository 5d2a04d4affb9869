import {
  CERTIFICATE_VARIABLES,
  CertificateDirectories,
} from "../../registry/certificates/certificate_directories.ts";
import { isGranted, statGranted } from "../../spec/granted.ts";
import { describeSystemError } from "../../store/host/system_error.ts";
import { withSmallLetter } from "../terminal/format.ts";
import {
  type Diagnosis,
  type DoctorFinding,
  missingFlags,
  missingVariables,
  Subject,
} from "./findings.ts";

const CERTIFICATES = new Subject("Certificates");

/** Checks the directories with certificates for registries, and reports the hosts in them. */
export async function examineCertificates(): Promise<Diagnosis> {
  const env = missingVariables(CERTIFICATE_VARIABLES);
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
    findings.push(CERTIFICATES.ungranted("the location of other directories", env));
  }
  if (findings.length === 0) {
    findings.push(
      CERTIFICATES.ok("only those of --ca and the system are used: no certs.d has any"),
    );
  }
  return { facts: { certificates: facts }, findings };
}

/** Returns the host directories in a `certs.d` directory, or a finding if they are unknown. */
async function listHosts(path: string): Promise<string[] | DoctorFinding> {
  const need = { name: "read", path } as const;
  if (!isGranted(need)) {
    return CERTIFICATES.ungranted(`the content of ${path}`, missingFlags([need]));
  }
  try {
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
    return names.filter((name) => statGranted(`${path}/${name}`)?.isDirectory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    return CERTIFICATES.note(`${path} cannot be read: ${describeSystemError(error)}`);
  }
}

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
  // The mirrors in a hosts.toml are examined elsewhere.
  const hasHosts = statGranted(`${directory}/hosts.toml`)?.isFile ?? false;
  if (hasHosts && contents.length === 0 && problems.length === 0) return [];
  return [
    contents.length === 0
      ? CERTIFICATES.note(
        `${directory} has no usable certificate`,
        "name authorities *.crt, and client certificates *.cert with *.key",
      )
      : CERTIFICATES.ok(`${directory} has ${contents.join(" and ")}`),
    ...problems.map((problem) => CERTIFICATES.problem(withSmallLetter(problem))),
  ];
}

function shadowedFinding(
  path: string,
  name: string,
  used: ReadonlyMap<string, string>,
): DoctorFinding {
  return CERTIFICATES.note(
    `${path}/${name} is not used: ${used.get(hostOf(name))} comes first`,
  );
}

/** Returns the host of a directory; 443 is the default port. */
function hostOf(name: string): string {
  return name.replace(/:443$/, "");
}
