import { join } from "@std/path";
import { runPeer } from "./peers.ts";

/** A private certificate authority, a server's certificate and a client's: paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** Makes certificates for `localhost` and `127.0.0.1` in a directory, with openssl. */
export async function makeCertificates(dir: string): Promise<Certificates> {
  const ca = await makeAuthority(dir);
  const server = await makeCertificate(dir, "server", "DNS:localhost,IP:127.0.0.1,IP:::1");
  const client = await makeCertificate(dir, "client", "DNS:client.test");
  return { ca, ...server, clientCert: client.cert, clientKey: client.key };
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

async function makeAuthority(dir: string): Promise<string> {
  const config = join(dir, "ca.cnf");
  await Deno.writeTextFile(config, "[req]\ndistinguished_name=dn\n[dn]\n");
  const ca = join(dir, "ca.pem");
  await runPeer("openssl", [
    ...["req", "-x509", ...NEW_KEY, "-config", config, "-subj", "/CN=Test CA", "-days", "2"],
    ...["-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=keyCertSign,cRLSign"],
    ...["-keyout", join(dir, "ca-key.pem"), "-out", ca],
  ]);
  return ca;
}

async function makeCertificate(
  dir: string,
  name: string,
  subjects: string,
): Promise<{ cert: string; key: string }> {
  const [cert, key, request, extensions] = [".pem", "-key.pem", ".csr", ".cnf"]
    .map((end) => join(dir, `${name}${end}`)) as [string, string, string, string];
  await Deno.writeTextFile(
    extensions,
    `subjectAltName=${subjects}\nbasicConstraints=CA:false\nkeyUsage=digitalSignature\n` +
      "extendedKeyUsage=serverAuth,clientAuth\n",
  );
  await runPeer("openssl", [
    ...["req", ...NEW_KEY, "-config", join(dir, "ca.cnf"), "-subj", `/CN=${name}`],
    ...["-keyout", key, "-out", request],
  ]);
  await runPeer("openssl", [
    ...["x509", "-req", "-in", request, "-CA", join(dir, "ca.pem")],
    ...["-CAkey", join(dir, "ca-key.pem"), "-CAcreateserial", "-days", "2"],
    ...["-extfile", extensions, "-out", cert],
  ]);
  return { cert, key };
}
