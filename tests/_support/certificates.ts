/**
 * X.509 certificates for tests, made without openssl.
 *
 * @module
 */
import { join } from "@std/path";
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { bit, der, distinguishedName, explicit, octets, oid, time, toPem } from "./der.ts";
import { makeTempDir } from "./temp.ts";

/** A private certificate authority, a server's certificate and a client's: paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
  /**
   * Start of the validity of its certificates, which lasts two days, in milliseconds from now.
   *
   * @default Yesterday.
   */
  readonly startMs?: number;
}

/** A certificate and its key: paths of PEM files. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Certificates that clients refuse, from one authority. */
export interface OddCertificates {
  readonly ca: string;
  readonly expired: ServerCertificate;
  readonly early: ServerCertificate;
  readonly elsewhere: ServerCertificate;
  /** A self-signed certificate that claims to be an authority. */
  readonly ownAuthority: ServerCertificate;
  /** A certificate of X.509 version 1, as openssl makes it without extensions. */
  readonly firstVersion: ServerCertificate;
}

const DAY_MS = 86_400_000;

/** Writes certificates for `localhost`, `127.0.0.1`, `::1` and other names into a directory. */
export async function makeCertificates(
  dir: string,
  names: readonly string[] = [],
): Promise<Certificates> {
  const authority = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const issuer = { name: "Test CA", key: authority.privateKey };
  const ca = join(dir, "ca.pem");
  const extensions = [
    extension(BASIC_CONSTRAINTS, sequence(TRUE)),
    extension(KEY_USAGE, bit([0b0000_0110], 1)),
  ];
  const certificate = signCertificate(issuer.name, authority.publicKey, extensions, issuer);
  await Deno.writeTextFile(ca, toPem(certificate));
  const subjects = [
    ...["localhost", ...names].map(dnsName),
    ...[ipAddress(127, 0, 0, 1), ipAddress(...LOOPBACK_6)],
  ];
  const server = await writeCertificate(dir, "server", subjects, issuer);
  const client = await writeCertificate(dir, "client", [dnsName("client.test")], issuer);
  return { ca, ...server, clientCert: client.cert, clientKey: client.key };
}

/** A certificate, its key and its authority, in PEM. */
export interface ServerTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate as {@linkcode makeCertificates} does, but leaves no files. */
export async function makeServerTls(names: readonly string[] = []): Promise<ServerTls> {
  await using dir = await makeTempDir();
  const paths = await makeCertificates(dir.path, names);
  const [ca = "", cert = "", key = ""] = await Promise.all(
    [paths.ca, paths.cert, paths.key].map((path) => Deno.readTextFile(path)),
  );
  return { ca, cert, key };
}

/** Writes certificates for `127.0.0.1` that a client must refuse. */
export async function makeOddCertificates(dir: string): Promise<OddCertificates> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const issuer = { name: "Test CA", key: privateKey };
  const ca = join(dir, "ca.pem");
  const extensions = [extension(BASIC_CONSTRAINTS, sequence(TRUE))];
  await Deno.writeTextFile(ca, toPem(signCertificate(issuer.name, publicKey, extensions, issuer)));
  const here = [ipAddress(127, 0, 0, 1)];
  const write = (name: string, subjects: readonly Uint8Array[], startMs: number) => {
    return writeCertificate(dir, name, subjects, { ...issuer, startMs });
  };
  const own = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const [cert, key] = [join(dir, "own.pem"), join(dir, "own-key.pem")];
  const certificate = signCertificate("own", own.publicKey, [
    ...extensions,
    extension(SUBJECT_ALT_NAME, sequence(...here)),
  ], { name: "own", key: own.privateKey });
  await Deno.writeTextFile(cert, toPem(certificate));
  await Deno.writeTextFile(key, `${own.privateKey.export({ type: "pkcs8", format: "pem" })}`);
  return {
    ca,
    expired: await write("expired", here, -3 * DAY_MS),
    early: await write("early", here, DAY_MS),
    elsewhere: await write("elsewhere", [dnsName("elsewhere.example")], -DAY_MS),
    ownAuthority: { cert, key },
    firstVersion: await saveCertificate(dir, "first", undefined, issuer),
  };
}

async function writeCertificate(
  dir: string,
  name: string,
  subjects: readonly Uint8Array[],
  issuer: Issuer,
): Promise<ServerCertificate> {
  const extensions = [
    extension(SUBJECT_ALT_NAME, sequence(...subjects)),
    extension(BASIC_CONSTRAINTS, sequence()),
    extension(KEY_USAGE, bit([0b1000_0000], 7)),
    extension(EXTENDED_KEY_USAGE, sequence(oid(SERVER_AUTH), oid(CLIENT_AUTH))),
  ];
  return await saveCertificate(dir, name, extensions, issuer);
}

async function saveCertificate(
  dir: string,
  name: string,
  extensions: readonly Uint8Array[] | undefined,
  issuer: Issuer,
): Promise<ServerCertificate> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const [cert, key] = [join(dir, `${name}.pem`), join(dir, `${name}-key.pem`)];
  await Deno.writeTextFile(cert, toPem(signCertificate(name, publicKey, extensions, issuer)));
  await Deno.writeTextFile(key, `${privateKey.export({ type: "pkcs8", format: "pem" })}`);
  return { cert, key };
}

/** Encodes a certificate (RFC 5280, section 4.1): version 3, or 1 without extensions. */
function signCertificate(
  subject: string,
  publicKey: KeyObject,
  extensions: readonly Uint8Array[] | undefined,
  issuer: Issuer,
): Uint8Array<ArrayBuffer> {
  const serial = randomBytes(8);
  // A positive number without a leading zero.
  serial[0] = 0x40 | (serial[0] ?? 0) & 0x3f;
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const start = Date.now() + (issuer.startMs ?? -DAY_MS);
  const content = sequence(
    ...extensions === undefined ? [] : [explicit(0, der(0x02, [2]))],
    der(0x02, serial),
    algorithm,
    distinguishedName(issuer.name),
    sequence(time(start), time(start + 2 * DAY_MS)),
    distinguishedName(subject),
    new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    ...extensions === undefined ? [] : [explicit(3, sequence(...extensions))],
  );
  const signature = sign("sha256", content, { key: issuer.key, dsaEncoding: "der" });
  return sequence(content, algorithm, bit(signature));
}

const SUBJECT_ALT_NAME = "2.5.29.17";
const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const LOOPBACK_6 = [...new Array<number>(15).fill(0), 1];
const TRUE = der(0x01, [0xff]);

function sequence(...items: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return der(0x30, ...items);
}

function extension(id: string, value: Uint8Array): Uint8Array {
  const critical = id === BASIC_CONSTRAINTS ? [TRUE] : [];
  return sequence(oid(id), ...critical, octets(value));
}

function dnsName(name: string): Uint8Array {
  return der(0x82, new TextEncoder().encode(name));
}

function ipAddress(...octets: readonly number[]): Uint8Array {
  return der(0x87, octets);
}
