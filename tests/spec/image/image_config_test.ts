import { assertEquals, assertThrows } from "@std/assert";
import { parseImageConfig } from "../../../spec/mod.ts";
import { bytes, digest } from "../_json.ts";

const ROOTFS = { type: "layers", "diff_ids": [digest("a")] };
const CONFIG = { os: "linux", architecture: "arm64", rootfs: ROOTFS };

Deno.test("parseImageConfig() reads everything", () => {
  const config = parseImageConfig(bytes({
    ...CONFIG,
    variant: "v8",
    created: "2024-01-02T03:04:05Z",
    author: "a",
    config: {
      User: "app:app",
      ExposedPorts: { "80/tcp": {}, "53/udp": {} },
      Env: ["A=1", "B="],
      Entrypoint: ["/e"],
      Cmd: [],
      Volumes: { "/data": {} },
      WorkingDir: "/w",
      Labels: { "a.b": "c" },
      StopSignal: "SIGINT",
    },
    history: [
      { created: "2024-01-02T03:04:05Z", "created_by": "sh", author: "a", comment: "c" },
      { "empty_layer": true },
    ],
  }));

  assertEquals(config, {
    platform: { os: "linux", architecture: "arm64", variant: "v8" },
    created: "2024-01-02T03:04:05Z",
    author: "a",
    config: {
      User: "app:app",
      ExposedPorts: ["80/tcp", "53/udp"],
      Env: ["A=1", "B="],
      Entrypoint: ["/e"],
      Cmd: [],
      Volumes: ["/data"],
      WorkingDir: "/w",
      Labels: { "a.b": "c" },
      StopSignal: "SIGINT",
    },
    diffIds: [digest("a")],
    history: [
      { created: "2024-01-02T03:04:05Z", createdBy: "sh", author: "a", comment: "c" },
      { emptyLayer: true },
    ],
  });
});

Deno.test.each([
  { name: "no config", extra: {} },
  { name: "a null config", extra: { config: null, history: null, created: null } },
  { name: "an empty config", extra: { config: {}, history: [] } },
  {
    name: "null members",
    extra: {
      config: {
        User: null,
        ExposedPorts: null,
        Env: null,
        Entrypoint: null,
        Cmd: null,
        Volumes: null,
        WorkingDir: null,
        Labels: null,
      },
    },
  },
  {
    name: "members that only Docker defines",
    extra: {
      id: 1,
      "container_config": { Cmd: 5 },
      "docker_version": "1.6",
      config: { Hostname: 1, AttachStdin: false, ArgsEscaped: true, OnBuild: [], Memory: 1e300 },
    },
  },
])("parseImageConfig() reads $name as absent", ({ extra }) => {
  assertEquals(parseImageConfig(bytes({ ...CONFIG, ...extra })), {
    platform: { os: "linux", architecture: "arm64" },
    config: {},
    diffIds: [digest("a")],
    history: [],
  });
});

Deno.test("parseImageConfig() reads a null label as empty, like Go", () => {
  const { config } = parseImageConfig(bytes({ ...CONFIG, config: { Labels: { a: null } } }));

  assertEquals(config.Labels, { a: "" });
});

Deno.test("parseImageConfig() accepts a command that is a string, like Docker", () => {
  const { config } = parseImageConfig(
    bytes({ ...CONFIG, config: { Entrypoint: "/a b", Cmd: "c" } }),
  );

  assertEquals(config, { Entrypoint: ["/a b"], Cmd: ["c"] });
});

Deno.test("parseImageConfig() reads an image without layers and platform", () => {
  assertEquals(parseImageConfig(bytes({ rootfs: { "diff_ids": null } })), {
    platform: { os: "", architecture: "" },
    config: {},
    diffIds: [],
    history: [],
  });
});

Deno.test.each([
  { value: {}, message: "config.rootfs: it must be an object, but it is undefined" },
  { value: { rootfs: null }, message: "config.rootfs: it must be an object, but it is null" },
  { value: { rootfs: { "diff_ids": "a" } }, message: "config.rootfs.diff_ids: " },
  {
    value: { ...CONFIG, rootfs: { ...ROOTFS, type: "layers+base" } },
    message: 'config.rootfs.type: it must be "layers", but it is "layers+base"',
  },
  { value: { ...CONFIG, rootfs: { ...ROOTFS, type: 1 } }, message: "config.rootfs.type: " },
  { value: { rootfs: { "diff_ids": ["a"] } }, message: "config.rootfs.diff_ids[0]: " },
  { value: { ...CONFIG, config: [] }, message: "config.config: it must be an object" },
  { value: { ...CONFIG, config: { Env: "A=1" } }, message: "config.config.Env: " },
  { value: { ...CONFIG, config: { Env: ["A=1", 2] } }, message: "config.config.Env[1]: " },
  { value: { ...CONFIG, config: { Cmd: 5 } }, message: "config.config.Cmd: it must be an array" },
  { value: { ...CONFIG, config: { User: 1000 } }, message: "config.config.User: " },
  { value: { ...CONFIG, config: { Volumes: ["/a"] } }, message: "config.config.Volumes: " },
  { value: { ...CONFIG, config: { Volumes: { "/a": "b" } } }, message: 'config.Volumes["/a"]: ' },
  { value: { ...CONFIG, config: { ExposedPorts: { "80": 1 } } }, message: 'ExposedPorts["80"]: ' },
  { value: { ...CONFIG, created: "" }, message: "config.created: it must be a time of RFC 3339" },
  { value: { ...CONFIG, created: "2024-01-02 03:04:05" }, message: "config.created: " },
  { value: { ...CONFIG, created: "2024-01-02T03:04:05+1" }, message: "config.created: " },
  { value: { ...CONFIG, created: "2023-02-29T03:04:05Z" }, message: "config.created: " },
  { value: { ...CONFIG, created: "2024-13-02T03:04:05Z" }, message: "config.created: " },
  { value: { ...CONFIG, created: "2024-01-02T24:00:00Z" }, message: "config.created: " },
  { value: { ...CONFIG, history: [{ created: "today" }] }, message: "config.history[0].created: " },
  { value: { ...CONFIG, config: { Labels: { a: 1 } } }, message: "config.config.Labels.a: " },
  { value: { ...CONFIG, history: [1] }, message: "config.history[0]: it must be an object" },
  {
    value: { ...CONFIG, history: [{ "empty_layer": 1 }] },
    message: "config.history[0].empty_layer",
  },
  { value: { ...CONFIG, os: 1 }, message: "config.os: it must be a string, but it is 1" },
])("parseImageConfig() names the invalid value: $message", ({ value, message }) => {
  assertThrows(() => parseImageConfig(bytes(value)), SyntaxError, message);
});

Deno.test.each([
  { value: { ...CONFIG, RootFS: ROOTFS }, at: "config.RootFS" },
  { value: { ...CONFIG, OS: "windows" }, at: "config.OS" },
  { value: { ...CONFIG, config: {}, Config: { User: "root" } }, at: "config.Config" },
  { value: { ...CONFIG, rootfs: { ...ROOTFS, "Diff_IDs": [] } }, at: "config.rootfs.Diff_IDs" },
  { value: { ...CONFIG, config: { User: null, user: "1000" } }, at: "config.config.user" },
  { value: { ...CONFIG, config: { CMD: ["b"], Cmd: ["a"] } }, at: "config.config.CMD" },
  { value: { ...CONFIG, config: { CMD: ["a"], cmd: ["b"] } }, at: "config.config.cmd" },
  { value: { ...CONFIG, history: [{ author: "a", Author: "b" }] }, at: "config.history[0].Author" },
])("parseImageConfig() refuses two spellings of one name: $at", ({ value, at }) => {
  assertThrows(() => parseImageConfig(bytes(value)), SyntaxError, `Cannot read ${at}: `);
});

Deno.test("parseImageConfig() refuses members that Go merges", () => {
  // Docker merges both, and runs the image as the user.
  const text = JSON.stringify(CONFIG).replace("{", '{"config":{"User":"1000"},"config":{},');

  assertThrows(
    () => parseImageConfig(new TextEncoder().encode(text)),
    SyntaxError,
    'Cannot read config: it has the member "config" twice in an object',
  );
});

Deno.test("parseImageConfig() reads names in any case, like Go", () => {
  const config = parseImageConfig(bytes({
    OS: "linux",
    Architecture: "arm64",
    "OS.Version": "1",
    Created: "2024-01-02T03:04:05Z",
    RootFS: { Type: "layers", "DIFF_IDS": [digest("a")] },
    Config: {
      user: "1000",
      env: ["A=1"],
      CMD: ["b"],
      "Label\u017f": { a: "b", A: "B" },
      "wor\u212aingdir": "/w",
    },
    History: [{ "Empty_Layer": true }],
  }));

  assertEquals(config, {
    platform: { os: "linux", architecture: "arm64", "os.version": "1" },
    created: "2024-01-02T03:04:05Z",
    config: {
      User: "1000",
      Env: ["A=1"],
      Cmd: ["b"],
      WorkingDir: "/w",
      Labels: { a: "b", A: "B" },
    },
    diffIds: [digest("a")],
    history: [{ emptyLayer: true }],
  });
});

Deno.test("parseImageConfig() ignores names that Go does not read", () => {
  const config = { "u\u017fer": "1", "\u00fcser": "2" };
  const { config: read } = parseImageConfig(
    bytes({ ...CONFIG, "con\ufb01g": { User: "3" }, config }),
  );

  assertEquals(read, { User: "1" });
});

Deno.test.each(["layers", "", null, undefined])(
  "parseImageConfig() accepts the type %j of a root file system",
  (type) => {
    assertEquals(parseImageConfig(bytes({ rootfs: { ...ROOTFS, type } })).diffIds, [digest("a")]);
  },
);

Deno.test.each([
  "0001-01-01T00:00:00Z",
  "2015-10-31T22:22:56.015925234Z",
  "2024-01-02t03:04:05.1+05:30",
  "2024-02-29T23:59:59-23:59",
  "2024-01-02T03:04:05.123456",
])("parseImageConfig() reads the time %s", (created) => {
  assertEquals(parseImageConfig(bytes({ ...CONFIG, created })).created, created);
});
