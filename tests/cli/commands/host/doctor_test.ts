import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { quoteForShell } from "../../../../cli/terminal/format.ts";
import { readMounts } from "../../../../layer/linux/mount_table.ts";
import { makeCertificates } from "../../../_support/certificates.ts";
import { permissionsFor } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { peerTest, runPeer } from "../../../_support/peers.ts";
import {
  denoEnvironment,
  type ProcessResult,
  ROOT,
  run,
  type RunOciOptions,
} from "../../../_support/process.ts";
import { linuxTest, posixTest, rootTest } from "../../../_support/skip.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

const IS_LINUX = Deno.build.os === "linux";
const SECRET = "hunter2";

interface Finding {
  readonly about: string;
  readonly state: string;
  readonly says: string;
  readonly advice?: string;
}

/** JSON output of `oci doctor`. */
async function diagnose(
  options: RunOciOptions & { readonly args?: readonly string[] } = {},
  // deno-lint-ignore no-explicit-any
): Promise<any> {
  const { args = [], ...rest } = options;
  const { code, stdout, stderr }: ProcessResult = await runOci(["doctor", "--json", ...args], rest);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return JSON.parse(stdout);
}

function findings(document: { findings: Finding[] }, about: string): readonly Finding[] {
  return document.findings.filter((finding) => finding.about === about);
}

Deno.test("oci doctor prints what it finds under headings", async () => {
  const { code, stdout, stderr } = await runOci(["doctor"]);

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout, /^oci \d+\.\d+\.\d+, Deno \d+\.\d+\.\d+, linux\/\S+, kernel \S+\n/);
  for (const heading of ["Store", "Credentials", "Runtimes", "Permissions"]) {
    assertMatch(stdout, new RegExp(`^${heading}\n  (?:ok|note|problem|unknown) +\\S`, "m"));
  }
});

Deno.test("oci doctor lists the addresses of an image in lookup order", async () => {
  const mirror = ["--mirror", "docker.io=https://mirror.example/proxy"];

  const remote = await diagnose({ args: [...mirror, "alpine:3.20"] });
  const local = await diagnose({ args: [...mirror, "localhost:5000/a/b"] });
  const plain = await diagnose({ args: ["--plain-http", "h.io/a"] });
  const invalid = await runOci(["doctor", "UPPER"]);

  assertEquals(remote.endpoints, [
    { url: "https://mirror.example/v2/proxy/library/alpine", isMirror: true },
    { url: "https://registry-1.docker.io/v2/library/alpine", isMirror: false },
  ]);
  assertEquals(findings(remote, "Endpoints").map(({ says }) => says), [
    "1. https://mirror.example/v2/proxy/library/alpine (mirror)",
    "2. https://registry-1.docker.io/v2/library/alpine",
  ]);
  assertEquals(local.endpoints.map(({ url }: { url: string }) => url), [
    "http://localhost:5000/v2/a/b",
    "https://localhost:5000/v2/a/b",
  ]);
  assertEquals(plain.endpoints, [{ url: "http://h.io/v2/a", isMirror: false }]);
  assertEquals(invalid.code, 2);
});

Deno.test("oci doctor leaves no store where there was none", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("deep", "store");

  const document = await diagnose({ args: ["--store", path] });

  const { freeBytes, ...store } = document.store;
  assertEquals(store, { path, exists: false, writable: true, bundles: [] });
  assert(freeBytes > 0);
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path)), []);
});

(IS_LINUX ? rootTest : linuxTest)({
  name: "oci doctor reports that the disk of the store is full",
  fn: async () => {
    await using dir = await makeTempDir();
    const oci = [Deno.execPath(), "run", "-A", "--quiet", join(ROOT, "mod.ts")];
    const mounting = 'mount -t tmpfs -o size=64k none "$1" && shift && exec "$@"';

    const { stdout, stderr } = await run(
      "unshare",
      ["-m", "sh", "-c", mounting, "sh", dir.path, ...oci, "doctor", "--json", "--store", dir.path],
      { env: { ...await denoEnvironment(), HOME: dir.path }, cwd: ROOT },
    );

    assertEquals(stderr, "");
    const [finding] = findings(JSON.parse(stdout), "Store");
    assertEquals([finding?.state, finding?.advice], ["problem", "free some space"]);
    assertMatch(finding?.says ?? "", /is writable; \d+ k?B free$/);
  },
});

posixTest("oci doctor checks a store that it makes without a umask", async () => {
  await using directory = await makeTempDir();
  const oci = [Deno.execPath(), "run", "-A", "--quiet", `--config=${join(ROOT, "deno.json")}`]
    .concat(join(ROOT, "mod.ts"), "doctor", "--store", directory.join("a/store"));

  const { code, stdout, stderr } = await run("sh", ["-c", 'umask 000; exec "$@"', "sh", ...oci], {
    env: { ...await denoEnvironment(), HOME: directory.path },
  });

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertStringIncludes(stdout, "does not exist yet and can be created");
});

Deno.test("oci doctor leaves nothing in a store", async () => {
  await using dir = await makeTempDir();
  const env = { OCI_STORE: dir.path };

  const document = await diagnose({ env });

  assertEquals([document.store.exists, document.store.writable], [true, true]);
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path)), []);
  assertEquals(readMounts().filter(({ target }) => target.startsWith(dir.path)), []);
  assertEquals(typeof document.overlay.supported, "boolean");
  // The kernel maps owners only where it mounts overlays.
  assertEquals(typeof document.idMappedMounts.supported, "boolean");
  assert(document.overlay.supported || !document.idMappedMounts.supported);
  assertEquals(document.native.supported, IS_LINUX);
});

Deno.test("oci doctor reports a store that cannot be created", async () => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("file"), "");

  const document = await diagnose({ args: ["--store", dir.join("file", "store")] });

  const [finding] = findings(document, "Store");
  assertEquals([finding?.state, document.store.writable], ["problem", false]);
  assertStringIncludes(finding?.says ?? "", "cannot be created");
  assertStringIncludes(finding?.advice ?? "", "choose another store with --store");
});

Deno.test("oci doctor names the registries of credentials, and never a secret", async () => {
  await using dir = await makeTempDir();
  const [found, broken] = [dir.join("auth.json"), dir.join("docker")];
  await Deno.mkdir(broken);
  await Deno.writeTextFile(`${broken}/config.json`, `{ "auths": "${SECRET}`);
  const auth = btoa(`me:${SECRET}`);
  await Deno.writeTextFile(
    found,
    JSON.stringify({
      auths: {
        "ghcr.io/me": { auth },
        [`https://u:${SECRET}@quay.io/v1/`]: { auth },
        "odd.io": { auth: SECRET },
      },
      credHelpers: { "gcr.io": "not-here" },
      credsStore: "here",
    }),
  );
  const helper = dir.join("docker-credential-here");
  await Deno.writeTextFile(helper, "", { mode: 0o755 });
  const env = {
    HOME: dir.path,
    REGISTRY_AUTH_FILE: found,
    DOCKER_CONFIG: broken,
    PATH: `${dir.path}:${Deno.env.get("PATH")}`,
  };

  const document = await diagnose({ env });
  const { stdout } = await runOci(["doctor"], { env });

  assertEquals(document.credentials.slice(0, 2), [
    {
      path: found,
      state: "found",
      registries: ["ghcr.io/me", "quay.io"],
      helpers: [
        { registry: "gcr.io", program: "docker-credential-not-here", found: null },
        { program: "docker-credential-here", found: helper },
      ],
      problems: [
        { registry: "odd.io", why: '"auth" is not a user name and a password in base64' },
      ],
    },
    {
      path: `${broken}/config.json`,
      state: "invalid",
      registries: [],
      helpers: [],
      problems: [],
    },
  ]);
  assertMatch(stdout, /problem .*names docker-credential-not-here for gcr\.io, .*not installed/);
  assertMatch(stdout, /problem .*auth\.json has an entry for odd\.io that cannot be read: /);
  assertMatch(stdout, /problem .*docker\/config\.json is not JSON; /);
  for (const text of [stdout, JSON.stringify(document)]) {
    for (const secret of [SECRET, auth]) assert(!text.includes(secret));
  }
});

Deno.test("oci doctor reports credentials in DOCKER_AUTH_CONFIG", async () => {
  await using dir = await makeTempDir();
  const auth = btoa(`me:${SECRET}`);
  const variable = JSON.stringify({ auths: { "ghcr.io": { auth } } });
  const envOf = (text: string) => ({ HOME: dir.path, DOCKER_AUTH_CONFIG: text });

  const { stdout } = await runOci(["doctor"], { env: envOf(variable) });
  const broken = await runOci(["doctor"], { env: envOf(`{"${SECRET}`) });

  assertMatch(stdout, /ok .*\$DOCKER_AUTH_CONFIG has credentials for ghcr\.io/);
  assertMatch(broken.stdout, /problem .*\$DOCKER_AUTH_CONFIG is not JSON; fix the variable/);
  for (const text of [stdout, broken.stdout]) {
    for (const secret of [SECRET, auth]) assert(!text.includes(secret));
  }
});

Deno.test("oci doctor reports the directories with certificates that are used", async () => {
  await using dir = await makeTempDir();
  const [podman, docker] = [dir.join(".config/containers/certs.d"), dir.join(".docker/certs.d")];
  const { ca, clientCert, clientKey } = await makeCertificates(dir.path);
  for (const host of ["h.io", "[::1]:5000"]) {
    await Deno.mkdir(join(podman, host), { recursive: true });
  }
  await Deno.copyFile(ca, join(podman, "h.io/ca.crt"));
  await Deno.copyFile(clientCert, join(podman, "h.io/me.cert"));
  await Deno.copyFile(clientKey, join(podman, "h.io/me.key"));
  await Deno.copyFile(ca, join(podman, "[::1]:5000/ca.pem"));
  await Deno.mkdir(join(docker, "h.io:443"), { recursive: true });
  await Deno.mkdir(join(docker, "odd"));
  await Deno.writeTextFile(join(docker, "odd/ca.crt"), SECRET);

  const document = await diagnose({ env: { HOME: dir.path } });
  const none = await diagnose();

  const own = document.certificates.filter(({ path }: { path: string }) => {
    return path.startsWith(dir.path);
  });
  assertEquals(own, [
    { path: podman, hosts: ["[::1]:5000", "h.io"] },
    { path: docker, hosts: ["odd"] },
  ]);
  const found = findings(document, "Certificates").map(({ state, says }) => ({ state, says }));
  assertEquals(found.filter(({ says }) => says.includes(dir.path)), [
    { state: "note", says: `${podman}/[::1]:5000 has no usable certificate` },
    { state: "ok", says: `${podman}/h.io has authorities and a client certificate` },
    { state: "note", says: `${docker}/h.io:443 is not used: ${podman}/h.io comes first` },
    { state: "note", says: `${docker}/odd has no usable certificate` },
    {
      state: "problem",
      says: `cannot use "${docker}/odd/ca.crt": it does not contain "-----BEGIN CERTIFICATE-----"`,
    },
  ]);
  assertEquals(findings(none, "Certificates").length > 0, true);
});

Deno.test.each([
  { permissions: [], flags: ["--allow-env=OCI_STORE", "--allow-env=PATH"] },
  { permissions: ["--allow-env"], flags: ["--allow-read=", "--allow-write=", "--allow-run="] },
  {
    permissions: ["--allow-read", "--allow-env"],
    flags: ["--allow-write=", "--allow-sys=uid,gid"],
  },
  {
    permissions: ["--allow-read", "--allow-env", "--allow-write", "--deny-run"],
    flags: ["--allow-run=unshare"],
  },
])("oci doctor under $permissions names the flags that are missing", async (table) => {
  const permissions: readonly string[] = table.permissions;
  const document = await diagnose({ permissions });

  const unknown = document.findings.filter(({ state }: Finding) => state === "unknown");
  const advice = unknown.map((finding: Finding) => finding.advice).join(" ");
  for (const flag of table.flags) assertStringIncludes(advice, flag);
  for (const name of ["read", "write", "run", "ffi"]) {
    assertEquals(document.permissions[name], permissions.includes(`--allow-${name}`));
  }
});

linuxTest(
  "oci doctor asks for every permission if the store is on a special file system",
  async () => {
    const env = { OCI_STORE: "/dev/shm/none" };
    const { findings } = await diagnose({ env, permissions: ["--allow-read", "--allow-env"] });

    const advice = findings.map((finding: Finding) => finding.advice).join(" ");
    // Deno refuses access to "/dev" unless it has all permissions.
    assertStringIncludes(advice, "--allow-all");
  },
);

Deno.test.each([{ exists: true }, { exists: false }])(
  "oci permissions serves doctor, where the store's existence is $exists",
  async ({ exists }) => {
    await using dir = await makeTempDir();
    // Without the variable, the files of the machine are read.
    const variables = { CONTAINERS_REGISTRIES_CONF: "", XDG_CONFIG_HOME: "" };
    const env = { HOME: dir.path, OCI_STORE: dir.join("store"), ...variables };
    if (exists) await Deno.mkdir(env.OCI_STORE);
    const flags = await permissionsFor(runOci, ["doctor"], { env });
    assertEquals(flags.includes("--allow-read") || flags.includes("--allow-all"), false);

    const document = await diagnose({ env, permissions: flags });

    assertEquals(document.findings.filter(({ state }: Finding) => state === "unknown"), []);
    assertEquals([document.store.exists, document.store.writable], [exists, true]);
  },
);

/** Returns the command that runs `doctor` with some permissions, for a shell. */
function doctorCommand(...permissions: readonly string[]): string {
  return [Deno.execPath(), "run", "--quiet", `--config=${ROOT}/deno.json`, ...permissions]
    .concat(join(ROOT, "mod.ts"), "doctor").map(quoteForShell).join(" ");
}

peerTest({
  name: "oci doctor does not prompt for permissions",
  needs: ["script"],
}, async () => {
  await using dir = await makeTempDir();
  const typescript = dir.join("typescript");
  const flags = ["--allow-env", `--allow-read=/usr,/bin,/sbin,${ROOT}`];

  await runPeer("script", ["-qec", doctorCommand(...flags), typescript], {
    inheritEnv: true,
    signal: AbortSignal.timeout(240_000),
  });

  const shown = await Deno.readTextFile(typescript);
  assertStringIncludes(shown, "Permissions");
  assert(!shown.includes("Deno requests"), shown);
});

// A separate mount namespace imitates the machine of the test.
const HYBRID = "mount -t tmpfs cgroup /sys/fs/cgroup && mkdir /sys/fs/cgroup/unified && " +
  "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified && ";

peerTest({
  name: "oci doctor reports that crun does not support hybrid control groups, with a remedy",
  needs: ["crun", "unshare", "mount", "umount"],
  root: true,
}, async () => {
  await using dir = await makeTempDir();
  const doctor = `${doctorCommand("-A")} --json --store ${dir.join("store")}`;

  const script = async (before: string) => {
    const options = { inheritEnv: true };
    const { stdout } = await runPeer("unshare", ["-m", "sh", "-c", before + doctor], options);
    const { cgroups, runtimes } = JSON.parse(stdout);
    return [cgroups.kind, runtimes.find(({ name }: { name: string }) => name === "crun").obstacle];
  };

  const [kind, obstacle] = await script(HYBRID);
  assertEquals(kind, "hybrid");
  assertStringIncludes(
    obstacle,
    'run inside of "unshare -m" after "umount /sys/fs/cgroup/unified"',
  );
  assertEquals(await script(`${HYBRID} umount /sys/fs/cgroup/unified && `), ["none", undefined]);
});
