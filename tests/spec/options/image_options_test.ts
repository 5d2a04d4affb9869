import { assertEquals } from "@std/assert";
import {
  imageAnnotations,
  newSpec,
  withAnnotations,
  withCommand,
  withImageConfig,
} from "../../../spec/mod.ts";
import { GROUP, IMAGE, PASSWD } from "../_generated_specs.ts";

function processOf(config: typeof IMAGE.config) {
  const { process } = newSpec(withImageConfig({ ...IMAGE, config }, PASSWD, GROUP));
  return process;
}

Deno.test("withImageConfig() applies the config of the image", () => {
  const process = processOf(IMAGE.config);

  assertEquals(process.args, ["/bin/app", "--serve"]);
  assertEquals(process.cwd, "/srv");
  assertEquals(process.user, { uid: 1000, gid: 1000, additionalGids: [44, 1000] });
  assertEquals(process.env, ["HOME=/home/app", "PATH=/opt/bin:/bin", "A=1"]);
});

Deno.test("withImageConfig() reads a single empty word as no entry point", () => {
  const image = { ...IMAGE, config: { Entrypoint: [""], Cmd: ["a"] } };
  const option = withImageConfig(image, PASSWD, GROUP);

  assertEquals(newSpec(option).process.args, ["a"]);
  assertEquals(newSpec(option, withCommand(["b", "c"])).process.args, ["b", "c"]);
});

Deno.test("withImageConfig() defaults to root", () => {
  const process = processOf({ Cmd: ["a"] });

  assertEquals(process.user, { uid: 0, gid: 0, additionalGids: [0] });
  assertEquals(process.env?.includes("HOME=/root"), true);
});

Deno.test.each([
  { name: "two of one name", env: ["A=1", "B=2", "A=3"], merged: ["A=3", "B=2"] },
  { name: "its own PATH", env: ["PATH=/x"], merged: ["PATH=/x"] },
  { name: "an empty PATH", env: ["PATH="], merged: ["PATH="] },
  { name: "equals signs in a value", env: ["A=b=c="], merged: ["A=b=c="] },
  { name: "no equals sign", env: ["A"], merged: ["A="] },
  { name: "no name", env: ["=x", ""], merged: [] },
  { name: "names of members of objects", env: ["__proto__=1"], merged: ["__proto__=1"] },
])("withImageConfig() sets each variable once: $name", ({ env, merged }) => {
  const process = processOf({ Cmd: ["a"], Env: ["HOME=/h", ...env] });

  const own = process.env?.filter((line) =>
    !line.startsWith("HOME=") && !/^PATH=.*sbin/.test(line)
  );
  assertEquals(own, [...merged]);
  assertEquals(process.env?.filter((line) => line.startsWith("PATH=")).length, 1);
  assertEquals(process.env?.includes("HOME=/h"), true);
});

Deno.test.each([
  { dir: "", cwd: "/" },
  { dir: "/", cwd: "/" },
  { dir: "srv", cwd: "/srv" },
  { dir: "/a//b/./c/", cwd: "/a/b/c" },
  { dir: "/a/../../../b", cwd: "/b" },
  { dir: "../..", cwd: "/" },
])("withImageConfig() works in $cwd for $dir", ({ dir, cwd }) => {
  assertEquals(processOf({ Cmd: ["a"], WorkingDir: dir })?.cwd, cwd);
});

Deno.test("imageAnnotations() converts the config", () => {
  const PREFIX = "org.opencontainers.image.";

  assertEquals(imageAnnotations(IMAGE), {
    [`${PREFIX}os`]: "linux",
    [`${PREFIX}architecture`]: "arm64",
    [`${PREFIX}variant`]: "v8",
    [`${PREFIX}author`]: "A. Author",
    [`${PREFIX}created`]: "2024-01-02T03:04:05Z",
    [`${PREFIX}stopSignal`]: "SIGINT",
    [`${PREFIX}exposedPorts`]: "53/udp,80/tcp",
    [`${PREFIX}volumes`]: "/cache,/data",
    "org.example.label": "x",
  });
});

Deno.test("imageAnnotations() prefers labels, and omits empty values", () => {
  const config = { StopSignal: "SIGINT", Labels: { "org.opencontainers.image.stopSignal": "9" } };
  const platform = { os: "", architecture: "" };

  assertEquals(imageAnnotations({ ...IMAGE, platform, author: "", created: "", config }), {
    "org.opencontainers.image.stopSignal": "9",
  });
});

Deno.test("imageAnnotations() only omits a label without a name", () => {
  const Labels = Object.fromEntries([["", "none"], ["a b", "c"], ["__proto__", "d"]]);

  const annotations = imageAnnotations({ ...IMAGE, config: { Labels } });

  assertEquals(
    Object.entries(annotations).filter(([name]) => !name.startsWith("org.")),
    [["a b", "c"], ["__proto__", "d"]],
  );
});

Deno.test("imageAnnotations() omits labels that runtimes act on", () => {
  const interpreted = [
    ...["run.oci.handler", "run.oci.seccomp_bpf_data", "Run.OCI.hooks.stdout", "krun.cpus"],
    ...["module.wasm.image/variant", "org.systemd.property.ExecStopPost", "org.criu.config"],
    ...["io.katacontainers.config.hypervisor.path", "dev.gvisor.spec.mount.a.source"],
    ...["io.kubernetes.cri.container-type", "cdi.k8s.io/vendor_device", "io.podman.annotations.a"],
  ];
  const plain = ["run.ocid", "org.example.krun", "io.kubernetesque", "maintainer"];
  const Labels = Object.fromEntries([...interpreted, ...plain].map((name) => [name, "x"]));

  const annotations = imageAnnotations({ ...IMAGE, config: { Labels } });

  assertEquals(
    Object.keys(annotations).filter((name) => !name.startsWith("org.opencontainers.")),
    plain,
  );
});

Deno.test("withAnnotations() overrides labels of the image", () => {
  const added = withAnnotations({ "org.example.label": "y", a: "b" });

  for (
    const options of [[withImageConfig(IMAGE, PASSWD), added], [
      added,
      withImageConfig(IMAGE, PASSWD),
    ]]
  ) {
    const { annotations } = newSpec(...options);
    assertEquals([annotations?.["org.example.label"], annotations?.a], ["y", "b"]);
  }
});
