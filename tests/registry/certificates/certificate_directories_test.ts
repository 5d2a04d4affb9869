import { assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { certificatePaths } from "../../../registry/certificates/certificate_directories.ts";
import { CertificateDirectories } from "../../../registry/mod.ts";
import {
  type Certificates,
  makeCertificates,
  makeOddCertificates,
} from "../../_support/certificates.ts";
import { userTest } from "../../_support/skip.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

/** Two directories with certificates, and certificates to put into them. */
interface Place extends AsyncDisposable {
  readonly dir: TempDir;
  readonly paths: readonly string[];
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Another client certificate, whose key differs. */
  readonly otherCert: string;
}

async function makePlace(): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await makeTempDir());
  const files: Certificates = await makeCertificates(dir.path);
  const [ca = "", cert = "", key = "", otherCert = ""] = await Promise.all(
    [files.ca, files.clientCert, files.clientKey, files.cert].map((path) => {
      return Deno.readTextFile(path);
    }),
  );
  const moved = stack.move();
  const paths = [dir.join("first"), dir.join("second")];
  return {
    dir,
    paths,
    ca,
    cert,
    key,
    otherCert,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** Writes files, with their directories. */
async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
}

Deno.test("certificatePaths() lists the directories of podman and docker in their order", () => {
  const system = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
  const own = ["/home/me/.config/containers/certs.d", "/home/me/.docker/certs.d"];
  const env: Record<string, string> = { HOME: "/home/me" };
  const moved: Record<string, string> = { ...env, XDG_CONFIG_HOME: "/config" };
  const usual: Record<string, string> = { ...env, XDG_CONFIG_HOME: "/home/me/.config" };

  assertEquals(certificatePaths(() => undefined), system);
  assertEquals(certificatePaths((name) => env[name]), [...own, ...system]);
  assertEquals(certificatePaths((name) => usual[name]), [...own, ...system]);
  assertEquals(
    certificatePaths((name) => moved[name]),
    ["/config/containers/certs.d", ...own, ...system],
  );
});

Deno.test("CertificateDirectories.find() reads authorities and the client certificate", async () => {
  await using place = await makePlace();
  const { paths, ca, cert, key } = place;
  const directory = join(paths[1] ?? "", "h.io:5000");
  await write({
    [join(directory, "b.crt")]: ca,
    [join(directory, "a.crt")]: `a comment\n${ca}${cert}`,
    [join(directory, "me.cert")]: cert,
    [join(directory, "me.key")]: key,
    [join(directory, "ca.pem")]: "not read",
  });
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const store = new CertificateDirectories({ paths });

  assertEquals(await store.find("h.io:5000", { onWarning }), {
    caCerts: [`a comment\n${ca}${cert}`, ca],
    clientCertificate: { cert, key },
  });
  assertEquals(await store.find("h.io", { onWarning }), undefined);
  assertEquals(await store.find("h.io:5001", { onWarning }), undefined);
  assertEquals(warnings, []);
});

Deno.test("CertificateDirectories.find() uses only the first directory of a host", async () => {
  await using place = await makePlace();
  const { paths: [first = "", second = ""], ca, cert, key } = place;
  await write({
    [join(first, "h.io/me.cert")]: cert,
    [join(first, "h.io/me.key")]: key,
    [join(second, "h.io/ca.crt")]: ca,
    [join(first, "other")]: "a file, not a directory",
    [join(second, "other/ca.crt")]: ca,
  });
  const store = new CertificateDirectories(place);

  const clientCertificate = { cert, key };
  assertEquals(await store.find("h.io"), { caCerts: [], clientCertificate });
  assertEquals(await store.find("other"), { caCerts: [ca], clientCertificate: undefined });
});

Deno.test.each([
  { host: "h.io", name: "h.io" },
  { host: "h.io", name: "h.io:443" },
  { host: "h.io:5000", name: "h.io:5000" },
  { host: "[::1]", name: "[::1]" },
  { host: "[::1]", name: "[::1]:443" },
  { host: "[::1]:5000", name: "[::1]:5000" },
  { host: "registry-1.docker.io", name: "docker.io" },
  { host: "registry-1.docker.io", name: "registry-1.docker.io" },
])("CertificateDirectories.find() looks for $host in $name", async ({ host, name }) => {
  await using dir = await makeTempDir();
  await Deno.mkdir(dir.join(name));

  const found = await new CertificateDirectories({ paths: [dir.path] }).find(host);

  assertEquals(found, { caCerts: [], clientCertificate: undefined });
});

Deno.test("CertificateDirectories.find() follows links, as in a mounted secret", async () => {
  await using place = await makePlace();
  const { dir, paths: [path = ""], ca } = place;
  await write({ [dir.join("data/ca")]: ca });
  await Deno.mkdir(path);
  await Deno.symlink(dir.join("data"), join(path, "h.io"));
  await Deno.symlink("ca", dir.join("data/ca.crt"));

  assertEquals(await new CertificateDirectories(place).find("h.io"), {
    caCerts: [ca],
    clientCertificate: undefined,
  });
});

Deno.test("CertificateDirectories.find() warns once about each unusable file", async () => {
  await using place = await makePlace();
  const { paths: [path = ""], ca, cert, key, otherCert } = place;
  const directory = join(path, "h.io");
  const damaged = ca.replace(/\n[^-]{8}/, "\nAAAAAAAA");
  await write({
    [join(directory, "1-good.crt")]: ca,
    [join(directory, "2-damaged.crt")]: damaged,
    [join(directory, "3-binary.crt")]: "\x30\x82\x01\x0a",
    [join(directory, "4-alone.cert")]: cert,
    [join(directory, "5-alone.key")]: key,
    [join(directory, "6-mixed.cert")]: otherCert,
    [join(directory, "6-mixed.key")]: key,
    [join(directory, "6-secret.cert")]: cert,
    [join(directory, "6-secret.key")]: key.replace("\n", "\nProc-Type: 4,ENCRYPTED\n\n"),
    [join(directory, "7-good.cert")]: cert,
    [join(directory, "7-good.key")]: key,
    [join(directory, "8-second.cert")]: cert,
    [join(directory, "8-second.key")]: key,
  });
  await Deno.mkdir(join(directory, "9-directory.crt"));
  await Deno.symlink("nowhere", join(directory, "9-link.crt"));
  const warnings: string[] = [];

  const found = await new CertificateDirectories(place).find("h.io", {
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(found, { caCerts: [ca], clientCertificate: { cert, key } });
  const expected = [
    ["2-damaged.crt", /: it is damaged \(.+\)$/],
    ["3-binary.crt", /: it does not contain "-----BEGIN CERTIFICATE-----"$/],
    ["4-alone.cert", /: there is no "4-alone\.key"\. Authorities need the extension \.crt$/],
    ["5-alone.key", /: there is no "5-alone\.cert"$/],
    ["6-mixed.cert", /: it does not match "6-mixed\.key", or one of them is damaged \(.+\)$/],
    ["6-secret.cert", /: "6-secret\.key" has a password\. Remove it with "openssl pkey"$/],
    ["8-second.cert", /: the directory already has another client certificate$/],
    ["9-directory.crt", /: it is not a regular file$/],
    ["9-link.crt", /: it does not exist$/],
  ] as const;
  assertEquals(warnings.length, expected.length, warnings.join("\n"));
  for (const [i, [name, reason]] of expected.entries()) {
    const [start, warning] = [`Cannot use "${join(directory, name)}": `, warnings[i] ?? ""];
    assertEquals(warning.slice(0, start.length), start);
    assertMatch(warning, reason);
  }
});

Deno.test("CertificateDirectories.find() reports a certificate of X.509 version 1", async () => {
  await using place = await makePlace();
  const { paths: [path = ""], dir } = place;
  const { firstVersion } = await makeOddCertificates(dir.path);
  const certificate = join(path, "h.io", "client.cert");
  await write({
    [certificate]: await Deno.readTextFile(firstVersion.cert),
    [join(path, "h.io", "client.key")]: await Deno.readTextFile(firstVersion.key),
  });
  const warnings: string[] = [];

  await new CertificateDirectories(place).find("h.io", {
    onWarning: (message) => warnings.push(message),
  });

  const problem = "it has X.509 version 1, which Deno does not support";
  assertEquals(warnings, [`Cannot use "${certificate}": ${problem}`]);
});

Deno.test({
  name: "CertificateDirectories finds nothing without permissions, and does not prompt",
  permissions: { read: false, env: false },
  fn: async () => {
    const store = new CertificateDirectories();

    const found = await store.find("h.io", {
      onWarning: (message) => {
        throw new Error(message);
      },
    });

    const paths = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
    assertEquals(found, {
      skipped: [
        `directories were skipped because they need --allow-read=${paths.join(",")}`,
        "environment variables were skipped because they need " +
        "--allow-env=XDG_CONFIG_HOME,HOME,USERPROFILE",
      ],
    });
    assertEquals(store.paths, paths);
  },
});

userTest(
  "CertificateDirectories.find() warns about existing files that it may not read",
  async () => {
    await using place = await makePlace();
    const { dir, paths: [path = ""], ca } = place;
    const closed = dir.join("closed");
    await write({ [join(path, "h.io/ca.crt")]: ca, [join(path, "other/ca.crt")]: ca });
    await Deno.mkdir(closed, { mode: 0o000 });
    await Deno.chmod(join(path, "h.io/ca.crt"), 0o000);
    await Deno.chmod(join(path, "other"), 0o000);
    const warnings: string[] = [];
    const store = new CertificateDirectories({ paths: [closed, path] });

    for (const host of ["h.io", "other", "absent"]) {
      await store.find(host, { onWarning: (message) => warnings.push(message) });
    }

    assertEquals(warnings, [
      `Cannot use "${join(path, "h.io/ca.crt")}": permission denied`,
      `Cannot use "${join(path, "other")}": permission denied`,
    ]);
  },
);
