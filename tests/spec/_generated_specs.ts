import {
  type ContainerSpec,
  type ImageConfig,
  newSpec,
  withAnnotations,
  withArgs,
  withCapabilities,
  withCommand,
  withCPULimit,
  withCwd,
  withDefaultSeccomp,
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
  withRootless,
  withTerminal,
  withUser,
  withUserAndGroup,
  withUserOnly,
} from "../../spec/mod.ts";

/** The image of the configurations. */
export const IMAGE: ImageConfig = {
  platform: { os: "linux", architecture: "arm64", variant: "v8" },
  created: "2024-01-02T03:04:05Z",
  author: "A. Author",
  config: {
    User: "app",
    Env: ["PATH=/opt/bin:/bin", "A=1"],
    Entrypoint: ["/bin/app"],
    Cmd: ["--serve"],
    WorkingDir: "/srv",
    ExposedPorts: ["80/tcp", "53/udp"],
    Volumes: ["/data", "/cache"],
    Labels: { "org.example.label": "x" },
    StopSignal: "SIGINT",
  },
  diffIds: [],
  history: [],
};

export const PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n";
export const GROUP = "root:x:0:\napp:x:1000:\nvideo:x:44:app\n";

const SINGLE = [{ containerID: 0, hostID: 1000, size: 1 }];
const SUBIDS = [...SINGLE, { containerID: 1, hostID: 100_000, size: 65_536 }];
const image = withImageConfig(IMAGE, PASSWD, GROUP);

/** Configurations that use every option. */
export const GENERATED: Readonly<Record<string, ContainerSpec>> = {
  "without options": newSpec(),
  "with limits": newSpec(
    withCPULimit("1m"),
    withMemoryLimit("1Gi", { swap: "1" }),
    withPidsLimit(9),
  ),
  "with the largest limits": newSpec(withCPULimit("10000"), withMemoryLimit("7Pi")),
  "of an image": newSpec(image),
  "of an image, as another user": newSpec(image, withUser("0"), withCommand(["-x"])),
  "of an image, with another program": newSpec(
    image,
    withEntrypoint(["/bin/sh"]),
    withCwd("/"),
    withEnv({ A: undefined, B: "2" }),
    withUserAndGroup("app", "video", { additionalGids: true }),
  ),
  "with everything": newSpec(
    withRootFS("/rootfs"),
    withReadOnlyRoot(),
    withArgs(["/bin/true"]),
    withUserOnly("7"),
    withTerminal({ width: 80, height: 24 }),
    withHostname("host"),
    withHostNetwork(),
    withCapabilities({ add: ["ALL"], drop: ["MKNOD"], ambient: ["NET_ADMIN"] }),
    withNoNewPrivileges(false),
    withRlimits([{ type: "RLIMIT_CORE", soft: 0, hard: Number.MAX_SAFE_INTEGER }]),
    withMounts([{ destination: "/data", type: "bind", source: "/srv", options: ["rbind"] }]),
    withAnnotations({ "org.example": "" }),
    withDefaultSeccomp("amd64"),
  ),
  "for a user without subordinate IDs": newSpec(
    withRootless({ uidMap: SINGLE, gidMap: SINGLE }),
    withHostNetwork(),
  ),
  "for a user with subordinate IDs": newSpec(
    image,
    withRootless({ uidMap: SUBIDS, gidMap: SUBIDS, cgroups: true }),
    withDefaultSeccomp("arm64"),
  ),
  ...Object.fromEntries(
    "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x"
      .split(" ").map((name) => [
        `filtered on ${name}`,
        newSpec(withDefaultSeccomp(name), withCapabilities({ drop: ["ALL"] })),
      ]),
  ),
};
