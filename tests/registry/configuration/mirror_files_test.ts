import { assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import {
  parseReference,
  pullSources,
  readRegistriesConf,
  type RegistryHost,
} from "../../../registry/mod.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** Reads files in a directory that stands for the root. */
async function read(
  files: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {},
) {
  await using dir = await makeTempDir();
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(dir.join(path)), { recursive: true });
    await Deno.writeTextFile(dir.join(path), text);
  }
  const env: Readonly<Record<string, string>> = { HOME: dir.join("home"), ...variables };
  const warnings: string[] = [];
  const conf = await readRegistriesConf({
    env: (name) => env[name],
    directories: [dir.join("etc/containers")],
    hostsDirectories: [dir.join("etc/containerd/certs.d"), dir.join("etc/docker/certs.d")],
    daemonFiles: [dir.join("home/.config/docker/daemon.json"), dir.join("etc/docker/daemon.json")],
    onWarning: (message) => warnings.push(message.replaceAll(`${dir.path}/`, "")),
  });
  const relative = (path: string) => path.slice(dir.path.length + 1);
  const [rule] = conf.rules;
  return {
    conf,
    prefixes: conf.rules.map(({ prefix }) => prefix),
    files: conf.files.map(relative),
    unused: conf.unused.map(({ path, registry }) => [relative(path), registry]),
    hosts: (rule?.hosts ?? []).map((host) => ({
      ...host,
      caFiles: host.caFiles.map(relative),
      clientFiles: host.clientFiles.map(({ cert, key }) => {
        return { cert: relative(cert), key: relative(key) };
      }),
    })),
    warnings,
    placesOf: (name: string) => {
      return pullSources(conf, parseReference(name)).map(({ registry }) => registry);
    },
  };
}

const HOSTS = "etc/containerd/certs.d";
const DAEMON = "etc/docker/daemon.json";

/** A `hosts.toml` with one mirror. */
function mirror(host: string): string {
  return `[host."https://${host}"]\n`;
}

/** What a host is without settings. */
const HOST: RegistryHost = {
  url: undefined,
  isMirror: false,
  capabilities: ["pull", "resolve", "push"],
  isInsecure: false,
  skipVerify: false,
  sendsNamespace: true,
  caFiles: [],
  clientFiles: [],
  headers: {},
  dialTimeoutMs: undefined,
};

const MIRROR: RegistryHost = { ...HOST, isMirror: true, capabilities: ["pull", "resolve"] };

Deno.test("readRegistriesConf() reads all settings of a hosts.toml, in order", async () => {
  const { hosts, warnings } = await read({
    [`${HOSTS}/a.io/hosts.toml`]: `
      server = "https://up.example"
      capabilities = ["pull", "resolve"]
      ca = "/etc/ca.pem"
      [host."https://z.example"]
        capabilities = ["Pull"]
        ca = ["one.pem", "../two.pem"]
        client = [["c.cert", "c.key"], ["all.pem", ""]]
        dial_timeout = "1m1.5s"
        [host."https://z.example".header]
          X-One = "1"
          x-two = ["2", "3"]
      [host."http://b.example:5000/base/"]
        client = "all.pem"
        skip_verify = true
        capabilities = ["push", "pull"]
      [host."c.example/v2/proxy"]
        client = ["one.pem", "two.pem"]
        override_path = true
    `,
  });

  assertEquals(warnings, []);
  const expected: readonly RegistryHost[] = [
    {
      ...MIRROR,
      url: "https://z.example/v2",
      capabilities: ["pull"],
      caFiles: [`${HOSTS}/a.io/one.pem`, `${HOSTS}/two.pem`],
      clientFiles: [
        { cert: `${HOSTS}/a.io/c.cert`, key: `${HOSTS}/a.io/c.key` },
        { cert: `${HOSTS}/a.io/all.pem`, key: `${HOSTS}/a.io/all.pem` },
      ],
      headers: { "x-one": "1", "x-two": "2, 3" },
      dialTimeoutMs: 61_500,
    },
    {
      ...MIRROR,
      url: "http://b.example:5000/base/v2",
      capabilities: ["pull", "push"],
      clientFiles: [{ cert: `${HOSTS}/a.io/all.pem`, key: `${HOSTS}/a.io/all.pem` }],
      skipVerify: true,
    },
    {
      ...MIRROR,
      url: "https://c.example/v2/proxy",
      clientFiles: ["one.pem", "two.pem"].map((name) => {
        return { cert: `${HOSTS}/a.io/${name}`, key: `${HOSTS}/a.io/${name}` };
      }),
    },
    {
      ...HOST,
      url: "https://up.example/v2",
      capabilities: ["pull", "resolve"],
      // The paths of the test are relative to its directory.
      caFiles: hosts.at(-1)?.caFiles ?? [],
    },
  ];
  assertEquals<unknown>(hosts, expected);
});

Deno.test.each([
  { text: 'server = "ftp://a"', says: "line 1: a host is not a URL" },
  { text: 'server = "https://u:p@a"', says: "line 1: a host is not a URL" },
  { text: '\n[host."https://a"]\ncapabilities = ["fly"]', says: 'line 3: "capabilities" may' },
  { text: "ca = true", says: 'line 1: "ca" must be a string' },
  { text: 'client = [["a", "b", "c"]]', says: 'line 1: "client" must be paths' },
  { text: 'skip_verify = "yes"', says: 'line 1: "skip_verify" must be true or false' },
  { text: 'dial_timeout = "5"', says: 'line 1: "dial_timeout" must be a duration' },
  { text: 'header = { "a b" = "c" }', says: 'line 1: "header" contains characters' },
  { text: "host = 1", says: "line 1:" },
  { text: "host = []", says: 'line 1: "host" must be a table' },
])("readRegistriesConf() warns about a hosts.toml with $text, and skips it", async (row) => {
  const { text, says } = row;
  const path = `${HOSTS}/a.io/hosts.toml`;
  const { prefixes, files, warnings } = await read({
    [path]: text,
    [`${HOSTS}/b.io/hosts.toml`]: mirror("m.example"),
  });

  assertEquals([prefixes, files], [["b.io"], [`${HOSTS}/b.io/hosts.toml`]]);
  assertEquals(warnings.length, 1);
  assertEquals(warnings[0]?.startsWith(`Cannot use "${path}": ${says}`), true, warnings[0]);
  assertEquals(warnings[0]?.endsWith(". The file is not used"), true);
});

Deno.test("readRegistriesConf() finds the directory of a host as containerd does", async () => {
  const { placesOf, files } = await read({
    [`${HOSTS}/a.io_5000_/hosts.toml`]: mirror("underscore.example"),
    [`${HOSTS}/a.io:5000/hosts.toml`]: mirror("colon.example"),
    [`${HOSTS}/b.io:5000/hosts.toml`]: mirror("colon.example"),
    [`${HOSTS}/c.io/hosts.toml`]: mirror("c.example"),
    // No file, or an empty one, hides those of other directories.
    [`${HOSTS}/d.io/ca.crt`]: "",
    [`${HOSTS}/e.io/hosts.toml`]: "",
    "etc/docker/certs.d/c.io/hosts.toml": mirror("hidden.example"),
    "etc/docker/certs.d/d.io/hosts.toml": mirror("hidden.example"),
    "etc/docker/certs.d/f.io/hosts.toml": mirror("f.example"),
    // These are no patterns.
    [`${HOSTS}/*/hosts.toml`]: mirror("hidden.example"),
    [`${HOSTS}/*.io/hosts.toml`]: mirror("hidden.example"),
  });

  assertEquals(placesOf("a.io:5000/x"), ["underscore.example", "a.io:5000"]);
  assertEquals(placesOf("b.io:5000/x"), ["colon.example", "b.io:5000"]);
  assertEquals(placesOf("c.io/x"), ["c.example", "c.io"]);
  assertEquals(placesOf("c.io:5000/x"), ["c.io:5000"]);
  assertEquals(placesOf("d.io/x"), ["d.io"]);
  assertEquals(placesOf("e.io/x"), ["e.io"]);
  assertEquals(placesOf("f.io/x"), ["f.example", "f.io"]);
  assertEquals(files.includes(`${HOSTS}/a.io:5000/hosts.toml`), false);
});

Deno.test("readRegistriesConf() uses _default for registries without a directory", async () => {
  const { placesOf } = await read({
    [`${HOSTS}/_default/hosts.toml`]: mirror("all.example"),
    [`${HOSTS}/a.io/hosts.toml`]: mirror("a.example"),
    "etc/docker/certs.d/b.io/hosts.toml": mirror("hidden.example"),
  });

  assertEquals(placesOf("a.io/x"), ["a.example", "a.io"]);
  assertEquals(placesOf("b.io/x"), ["all.example", "b.io"]);
  assertEquals(placesOf("alpine"), ["all.example", "docker.io"]);
});

Deno.test("readRegistriesConf() does not use _default for registries with an unusable directory", async () => {
  const { placesOf, files, prefixes } = await read({
    [`${HOSTS}/_default/hosts.toml`]: mirror("all.example"),
    [`${HOSTS}/certs.io/ca.crt`]: "",
    [`${HOSTS}/empty.io_5000_/hosts.toml`]: "",
    [`${HOSTS}/damaged.io/hosts.toml`]: "server = 1\n",
    [DAEMON]: '{"insecure-registries": ["certs.io"]}',
  });

  assertEquals(placesOf("certs.io/x"), ["certs.io"]);
  assertEquals(placesOf("empty.io:5000/x"), ["empty.io:5000"]);
  assertEquals(placesOf("damaged.io/x"), ["damaged.io"]);
  assertEquals(placesOf("other.io/x"), ["all.example", "other.io"]);
  assertEquals(files, [`${HOSTS}/_default/hosts.toml`, DAEMON]);
  assertEquals(prefixes.toSorted(), ["*", "certs.io", "damaged.io", "empty.io:5000"]);
});

Deno.test("readRegistriesConf() prefers a host to a network with a longer name", async () => {
  const { conf, placesOf } = await read({
    [`${HOSTS}/10.100.100.3/hosts.toml`]: mirror("m.example"),
    [DAEMON]: '{"insecure-registries": ["10.100.100.0/24"]}',
  });

  assertEquals(placesOf("10.100.100.3/x"), ["m.example", "10.100.100.3"]);
  const [source] = pullSources(conf, parseReference("10.100.100.4/x"));
  assertEquals(source?.isInsecure, true);
});

Deno.test("readRegistriesConf() uses mirrors of Docker Hub even if it is insecure", async () => {
  const { conf, placesOf } = await read({
    [DAEMON]: '{"insecure-registries": ["docker.io"], "registry-mirrors": ["https://m.example"]}',
  });

  assertEquals(placesOf("alpine"), ["m.example", "docker.io"]);
  const sources = pullSources(conf, parseReference("alpine"));
  assertEquals(sources.map(({ isInsecure }) => isInsecure), [false, true]);
});

Deno.test("readRegistriesConf() reads addresses with many slashes in linear time", async () => {
  const address = `https://m.example${"/".repeat(300_000)}x`;
  const { hosts, conf } = await read({
    [`${HOSTS}/a.example/hosts.toml`]: `[host."${address}/"]\n`,
    [DAEMON]: JSON.stringify({ "registry-mirrors": [address] }),
  });

  assertEquals(hosts[0]?.url, `${address}/v2`);
  assertEquals(conf.rules.at(-1)?.hosts?.[0]?.url, `${address}/v2`);
});

Deno.test("readRegistriesConf() recognizes a registry with the default port", async () => {
  const { placesOf } = await read({
    [`${HOSTS}/a.example_443_/hosts.toml`]: 'server = "https://a.example:443"\n',
  });

  assertEquals(placesOf("a.example:443/x"), ["a.example:443"]);
});

Deno.test("readRegistriesConf() leaves out hosts that may not serve the reference", async () => {
  const { placesOf } = await read({
    [`${HOSTS}/docker.io/hosts.toml`]: `
      server = "https://registry-1.docker.io"
      [host."https://pull.example"]
      capabilities = ["pull"]
      [host."https://resolve.example"]
      capabilities = ["resolve"]
    `,
  });

  assertEquals(placesOf("alpine"), ["resolve.example", "docker.io"]);
  assertEquals(placesOf(`alpine@sha256:${"0".repeat(64)}`), ["pull.example", "docker.io"]);
});

Deno.test("readRegistriesConf() reads the mirrors and insecure registries of docker", async () => {
  const { conf, placesOf, hosts, prefixes } = await read({
    [DAEMON]: JSON.stringify({
      "registry-mirrors": ["https://m.example", "http://n.example:5000/sub/"],
      "insecure-registries": [
        "10.1.0.0/16",
        "http://Plain.example:5000",
        "m.example",
        "2001:db8::1",
      ],
      "log-level": "debug",
    }),
  });
  const isInsecure = (name: string) => {
    return pullSources(conf, parseReference(name)).at(-1)?.isInsecure;
  };

  assertEquals(prefixes, [
    "10.1.0.0/16",
    "plain.example:5000",
    "m.example",
    "[2001:db8::1]",
    "docker.io",
  ]);
  assertEquals(hosts, []);
  assertEquals(conf.rules.at(-1)?.hosts?.map(({ url, isInsecure }) => [url, isInsecure]), [
    ["https://m.example/v2", true],
    ["http://n.example:5000/sub/v2", false],
    [undefined, false],
  ]);
  assertEquals(placesOf("alpine"), ["m.example", "n.example:5000", "docker.io"]);
  assertEquals(placesOf("quay.io/x"), ["quay.io"]);
  assertEquals(
    ["10.1.2.3/x", "10.1.2.3:5000/x", "10.2.0.0/x", "plain.example:5000/x", "plain.example/x"]
      .map(isInsecure),
    [true, true, false, true, false],
  );
  assertEquals(
    ["[2001:db8::1]/x", "[2001:db8::2]/x"].map(isInsecure),
    [true, false],
  );
});

Deno.test("readRegistriesConf() reads the daemon.json of the user rather than that of the machine", async () => {
  const { files, placesOf } = await read({
    [DAEMON]: '{"registry-mirrors": ["https://machine.example"]}',
    "home/.config/docker/daemon.json": '{"registry-mirrors": ["https://user.example"]}',
  });

  assertEquals(files, ["home/.config/docker/daemon.json"]);
  assertEquals(placesOf("alpine"), ["user.example", "docker.io"]);
});

Deno.test.each([
  { text: "{", says: "it must be JSON in UTF-8" },
  { text: '{"registry-mirrors": "https://a"}', says: "it must be an array" },
  { text: '{"registry-mirrors": ["a.example"]}', says: "it must be a URL such as" },
  { text: '{"registry-mirrors": ["https://u:s3cret@a.io"]}', says: 'it must not contain "@"' },
  { text: '{"insecure-registries": ["u:s3cret@a.io"]}', says: 'it must not contain "@"' },
  { text: '{"insecure-registries": ["a/b"]}', says: "it must be a host or a network" },
])("readRegistriesConf() warns about a daemon.json with $text, and skips it", async (row) => {
  const { files, warnings } = await read({ [DAEMON]: row.text });

  assertEquals(files, []);
  assertEquals(warnings.length, 1);
  assertEquals(warnings[0]?.includes(row.says), true, warnings[0]);
  assertEquals(warnings[0]?.includes("s3cret"), false);
  assertEquals(warnings[0]?.endsWith(". The file is not used"), true);
});

Deno.test("readRegistriesConf() uses only the first file that names a registry", async () => {
  const { placesOf, unused, files } = await read({
    "etc/containers/registries.conf": `
      [[registry]]
      prefix = "*.corp.example"
      location = "podman.example"
      [[registry]]
      location = "a.io"
    `,
    [`${HOSTS}/a.io/hosts.toml`]: mirror("containerd.example"),
    [`${HOSTS}/r.corp.example/hosts.toml`]: mirror("containerd.example"),
    [`${HOSTS}/docker.io/hosts.toml`]: mirror("containerd.example"),
    [`${HOSTS}/_default/hosts.toml`]: mirror("all.example"),
    [DAEMON]: '{"registry-mirrors": ["https://docker.example"], "insecure-registries": ["b.io"]}',
  });

  assertEquals(placesOf("a.io/x"), ["a.io"]);
  assertEquals(placesOf("r.corp.example/x"), ["podman.example"]);
  assertEquals(placesOf("alpine"), ["containerd.example", "docker.io"]);
  assertEquals(placesOf("b.io/x"), ["b.io"]);
  assertEquals(placesOf("c.io/x"), ["all.example", "c.io"]);
  assertEquals(unused, [
    [`${HOSTS}/a.io/hosts.toml`, "a.io"],
    [`${HOSTS}/r.corp.example/hosts.toml`, "r.corp.example"],
    [DAEMON, "docker.io"],
  ]);
  assertEquals(files.includes(DAEMON), true);
});

Deno.test("readRegistriesConf() reads no other file if a variable names one", async () => {
  const files = { [`${HOSTS}/a.io/hosts.toml`]: mirror("m.example"), [DAEMON]: "{" };

  const none = await read(files, { CONTAINERS_REGISTRIES_CONF: "/dev/null" });

  assertEquals([none.files, none.prefixes, none.warnings], [[], [], []]);
});
