import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  newSpec,
  withCapabilities,
  withCommand,
  withCPULimit,
  withCwd,
  withEntrypoint,
  withEnv,
  withHostname,
  withHostNetwork,
  withImageConfig,
  withMemoryLimit,
  withMounts,
  withNoNewPrivileges,
  withPidsLimit,
  withReadOnlyRoot,
  withRlimits,
  withRootFS,
  withUser,
  withUserAndGroup,
  withUserOnly,
} from "../../spec/mod.ts";
import { GROUP, IMAGE, PASSWD } from "./_generated_specs.ts";

const image = withImageConfig(IMAGE, PASSWD, GROUP);

// The kubelet's least and largest values.
Deno.test.each([
  { limit: "500m", shares: 512, quota: 50_000 },
  { limit: "0.5", shares: 512, quota: 50_000 },
  { limit: "1", shares: 1024, quota: 100_000 },
  { limit: "1.5", shares: 1536, quota: 150_000 },
  { limit: "2e0", shares: 2048, quota: 200_000 },
  { limit: "333m", shares: 340, quota: 33_300 },
  { limit: "10m", shares: 10, quota: 1000 },
  { limit: "1m", shares: 2, quota: 1000 },
  { limit: "1n", shares: 2, quota: 1000 },
  { limit: "256", shares: 262_144, quota: 25_600_000 },
  { limit: "1k", shares: 262_144, quota: 100_000_000 },
])("withCPULimit() sets shares and quota for $limit", ({ limit, shares, quota }) => {
  assertEquals(newSpec(withCPULimit(limit)).linux?.resources?.cpu, {
    shares,
    quota,
    period: 100_000,
  });
});

Deno.test.each([
  { limit: "512Mi", bytes: 536_870_912 },
  { limit: "1G", bytes: 1_000_000_000 },
  { limit: "1.5Gi", bytes: 1_610_612_736 },
  { limit: "128974848", bytes: 128_974_848 },
  { limit: "1e3", bytes: 1000 },
  { limit: "100m", bytes: 1 },
])("withMemoryLimit() sets $bytes bytes for $limit", ({ limit, bytes }) => {
  const { resources } = newSpec(withMemoryLimit(limit), withPidsLimit(5)).linux ?? {};

  assertEquals(resources?.memory, { limit: bytes });
  assertEquals(resources?.pids, { limit: 5 });
});

Deno.test("withMemoryLimit() counts swap space in addition", () => {
  const spec = newSpec(withMemoryLimit("1Ki", { swap: "1k" }));

  assertEquals(spec.linux?.resources?.memory, { limit: 1024, swap: 2024 });
});

const BAD_LIMITS: { name: string; option: () => unknown; error: typeof Error; message: string }[] =
  [
    { name: "CPU", option: () => withCPULimit("0"), error: RangeError, message: "above zero" },
    { name: "CPU", option: () => withCPULimit("-1"), error: RangeError, message: "above zero" },
    { name: "CPU", option: () => withCPULimit("1E"), error: RangeError, message: "more than" },
    { name: "CPU", option: () => withCPULimit("x"), error: SyntaxError, message: "quantity" },
    {
      name: "memory",
      option: () => withMemoryLimit("0"),
      error: RangeError,
      message: "above zero",
    },
    {
      name: "memory",
      option: () => withMemoryLimit("8Pi"),
      error: RangeError,
      message: "more than",
    },
    {
      name: "swap",
      option: () => withMemoryLimit("1", { swap: "-1" }),
      error: RangeError,
      message: "swap space",
    },
    { name: "pids", option: () => withPidsLimit(0), error: RangeError, message: "it is 0" },
    { name: "pids", option: () => withPidsLimit(1.5), error: RangeError, message: "it is 1.5" },
    { name: "pids", option: () => withPidsLimit(-2), error: RangeError, message: "it is -2" },
    {
      name: "rlimit name",
      option: () => withRlimits([{ type: "NOFILE", soft: 1, hard: 1 }]),
      error: RangeError,
      message: '"RLIMIT_NOFILE"',
    },
    {
      name: "rlimit order",
      option: () => withRlimits([{ type: "RLIMIT_CPU", soft: 2, hard: 1 }]),
      error: RangeError,
      message: "2:1",
    },
    { name: "directory", option: () => withCwd("a"), error: TypeError, message: "absolute" },
    {
      name: "mount",
      option: () => withMounts([{ destination: "a" }]),
      error: TypeError,
      message: 'mount at "a"',
    },
    { name: "variable", option: () => withEnv({ "": "a" }), error: TypeError, message: "empty" },
    { name: "variable", option: () => withEnv({ "a=": "a" }), error: TypeError, message: '"a="' },
    { name: "value", option: () => withEnv({ a: "\0" }), error: TypeError, message: "NUL" },
    { name: "host name", option: () => withHostname(""), error: RangeError, message: "1 to 64" },
    {
      name: "host name",
      option: () => withHostname("ä".repeat(33)),
      error: RangeError,
      message: "1 to 64",
    },
    {
      name: "capability",
      option: () => withCapabilities({ add: ["CAP_X"] }),
      error: RangeError,
      message: '"CAP_X"',
    },
    { name: "user", option: () => withUserOnly("a:b"), error: SyntaxError, message: '"a:b"' },
    { name: "user", option: () => withUserOnly(""), error: SyntaxError, message: '""' },
    {
      name: "group",
      option: () => withUserAndGroup("a", ""),
      error: SyntaxError,
      message: "group",
    },
  ];
for (const { name, option, error, message } of BAD_LIMITS) {
  Deno.test(`spec options refuse a bad ${name}: ${option}`, () => {
    assertThrows(option, error, message);
  });
}

Deno.test("withCPULimit() never gives less than the kernel takes, nor more", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (milli) => {
    const { shares = 0, quota = 0 } = newSpec(withCPULimit(`${milli}m`)).linux?.resources?.cpu ??
      {};

    assertEquals(shares >= 2 && shares <= 262_144 && quota >= 1000, true);
    assertEquals(milli < 10 || quota === milli * 100, true);
  }));
});

Deno.test("withCommand() keeps the entry point, withEntrypoint() drops the command", () => {
  const args = (...options: Parameters<typeof newSpec>) => newSpec(image, ...options).process?.args;

  assertEquals(args(withCommand(["x"])), ["/bin/app", "x"]);
  assertEquals(args(withCommand([])), ["/bin/app"]);
  assertEquals(args(withEntrypoint(["/e", "-e"])), ["/e", "-e"]);
  assertEquals(args(withEntrypoint(["/e"]), withCommand(["x"])), ["/e", "x"]);
  assertEquals(args(withEntrypoint([]), withCommand(["/x"])), ["/x"]);
});

Deno.test("withEnv() replaces, adds and removes", () => {
  const { process } = newSpec(image, withEnv({ A: undefined, PATH: "/p", HOME: "", N: "a=b" }));

  assertEquals(process?.env, ["PATH=/p", "HOME=", "N=a=b"]);
});

Deno.test("withRootFS() and withReadOnlyRoot() set the root", () => {
  assertEquals(newSpec(withRootFS("/r", true)).root, { path: "/r", readonly: true });
  assertEquals(newSpec(withRootFS("/r")).root, { path: "/r", readonly: false });
  assertEquals(newSpec(withRootFS("/r"), withReadOnlyRoot()).root, { path: "/r", readonly: true });
});

Deno.test("withMounts() takes the place of a mount at the same place", () => {
  const shm = { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["size=1g"] };
  const data = { destination: "/data", type: "tmpfs", source: "tmpfs" };

  const { mounts } = newSpec(withMounts([shm, data, { ...data, source: "x" }]));

  assertEquals(mounts?.filter(({ destination }) => destination === "/dev/shm"), [shm]);
  assertEquals(mounts?.at(-1), { ...data, source: "x" });
  assertEquals(mounts?.length, 8);
});

Deno.test("withRlimits() replaces a limit of the same name", () => {
  const file = { type: "RLIMIT_NOFILE", soft: 9, hard: 10 };
  const core = { type: "RLIMIT_CORE", soft: 0, hard: 0 };

  assertEquals(newSpec(withRlimits([core, file])).process?.rlimits, [core, file]);
});

Deno.test("withNoNewPrivileges() can be switched off", () => {
  assertEquals(newSpec(withNoNewPrivileges(false)).process?.noNewPrivileges, false);
});

Deno.test("withHostNetwork() shares the network and the names", () => {
  const { linux, mounts } = newSpec(withHostNetwork());

  assertEquals(linux?.namespaces?.some(({ type }) => type === "network"), false);
  assertEquals(mounts?.slice(-2).map(({ source }) => source), ["/etc/hosts", "/etc/resolv.conf"]);
  assertEquals(newSpec(withHostNetwork({ files: [] })).mounts, newSpec().mounts);
});

Deno.test("withUser(), withUserOnly() and withUserAndGroup() find the groups", () => {
  const user = (option: Parameters<typeof newSpec>[0]) =>
    newSpec(image, ...option ? [option] : []).process?.user;
  const app = { uid: 1000, gid: 1000, additionalGids: [44, 1000] };

  assertEquals(user(withUser("app")), app);
  assertEquals(user(withUserOnly("1000")), app);
  assertEquals(user(withUser("app:video")), { uid: 1000, gid: 44 });
  assertEquals(user(withUserAndGroup("app", "0")), { uid: 1000, gid: 0 });
});

Deno.test.each([
  {
    name: "adding",
    changes: { add: ["net_admin"] },
    has: ["CAP_NET_ADMIN", "CAP_CHOWN"],
    count: 15,
  },
  { name: "adding what is there", changes: { add: ["CAP_CHOWN"] }, has: ["CAP_CHOWN"], count: 14 },
  { name: "dropping", changes: { drop: ["CHOWN"] }, has: ["CAP_KILL"], count: 13 },
  { name: "dropping all", changes: { drop: ["all"] }, has: [], count: 0 },
  {
    name: "all but one",
    changes: { add: ["ALL"], drop: ["SYS_ADMIN"] },
    has: ["CAP_BPF"],
    count: 40,
  },
  { name: "one alone", changes: { add: ["KILL"], drop: ["ALL"] }, has: ["CAP_KILL"], count: 1 },
  { name: "everything", changes: { add: ["ALL"] }, has: ["CAP_SYS_ADMIN"], count: 41 },
])("withCapabilities() grants by $name", ({ changes, has, count }) => {
  const { bounding = [], effective, permitted, ambient, inheritable } =
    newSpec(withCapabilities(changes)).process?.capabilities ?? {};

  assertEquals(has.filter((name) => !bounding.includes(name)), []);
  assertEquals(bounding.length, count);
  assertEquals([effective, permitted], [bounding, bounding]);
  assertEquals([ambient, inheritable], [undefined, undefined]);
});

Deno.test("withCapabilities() keeps capabilities for an ordinary user", () => {
  const once = withCapabilities({ ambient: ["NET_BIND_SERVICE"] });
  const { ambient, inheritable } = newSpec(once, withCapabilities({ add: ["BPF"] })).process
    ?.capabilities ?? {};

  assertEquals([ambient, inheritable], [["CAP_NET_BIND_SERVICE"], ["CAP_NET_BIND_SERVICE"]]);
  const dropped = newSpec(once, withCapabilities({ drop: ["ALL"] })).process?.capabilities;
  assertEquals(dropped?.ambient, undefined);
});
