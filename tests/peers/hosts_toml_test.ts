import { assertEquals } from "@std/assert";
import { type FaultyRegistry, faultyRegistry, on, respond } from "../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../_support/image.ts";
import { peerTest, programPath, runPeer } from "../_support/peers.ts";
import { runOci } from "../_support/process.ts";
import { file, tar } from "../_support/tar.ts";
import { makeTempDir, type TempDir } from "../_support/temp.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
const { digest: DIGEST } = IMAGE.descriptor;
const NAME = "a.example:5000/app:1";

/** Registries with the image as `app:1`, and one that fails. */
interface Places {
  readonly one: string;
  readonly two: string;
  readonly fails: string;
}

/** Files, with the number of manifests and blobs that each registry serves. */
const CASES: readonly {
  readonly what: string;
  readonly directory: string;
  readonly text: (places: Places) => string;
  readonly serves: Readonly<Record<"one" | "two", readonly string[]>>;
}[] = [
  {
    what: "the first host",
    directory: "a.example_5000_",
    text: ({ one, two }) => `server = "${two}"\n[host."${one}"]\n`,
    serves: { one: ["manifest", "blob", "blob"], two: [] },
  },
  {
    what: "the host after one that fails",
    directory: "a.example:5000",
    text: ({ one, two, fails }) => `server = "${two}"\n[host."${fails}"]\n[host."${one}"]\n`,
    serves: { one: ["manifest", "blob", "blob"], two: [] },
  },
  {
    what: "the server after hosts that fail",
    directory: "_default",
    text: ({ two, fails }) => `server = "${two}"\n[host."${fails}"]\n`,
    serves: { one: [], two: ["manifest", "blob", "blob"] },
  },
  {
    what: "a host under another path",
    directory: "_default",
    text: ({ one, two }) => `server = "${two}"\n[host."${one}/base"]\n`,
    serves: { one: ["manifest", "blob", "blob"], two: [] },
  },
  {
    what: "a host with an overridden path",
    directory: "a.example_5000_",
    text: ({ one, two }) => `server = "${two}"\n[host."${one}/api"]\noverride_path = true\n`,
    serves: { one: ["manifest", "blob", "blob"], two: [] },
  },
];

/** A registry that has the image under other paths as well. */
function registryWithApp(): FaultyRegistry {
  return faultyRegistry(new MemoryContent().add("app", "1", IMAGE), [
    on({ path: /^\/(?:base\/v2|api)\// }, (request, next) => {
      return next(new Request(request.url.replace(/\/(?:base\/v2|api)\//, "/v2/"), request));
    }),
  ]);
}

for (const { what, directory, text, serves } of CASES) {
  peerTest({
    name: `oci and containerd take an image from ${what} of the same file`,
    needs: ["containerd", "ctr"],
    root: true,
  }, async () => {
    await using one = registryWithApp();
    await using two = registryWithApp();
    await using fails = faultyRegistry(new MemoryContent(), [on({}, respond(500))]);
    await using dir = await makeTempDir();
    const hosts = dir.join(".config/containerd/certs.d");
    await Deno.mkdir(`${hosts}/${directory}`, { recursive: true });
    const places = { one: one.url, two: two.url, fails: fails.url };
    await Deno.writeTextFile(`${hosts}/${directory}/hosts.toml`, text(places));
    const env = { HOME: dir.path, XDG_CONFIG_HOME: "", CONTAINERS_REGISTRIES_CONF: "" };
    const store = dir.join("store");

    const ours = await runOci(["pull", `--store=${store}`, "--platform=linux/amd64", NAME], {
      env,
    });
    const byUs = { one: served(one), two: served(two) };
    const before = { one: one.requests.length, two: two.requests.length };
    await using socket = await startContainerd(dir);
    const fetch = ["content", "fetch", "--platform=linux/amd64", `--hosts-dir=${hosts}`, NAME];
    await runPeer("ctr", [`--address=${socket.path}`, ...fetch]);
    const byThem = { one: served(one, before.one), two: served(two, before.two) };

    assertEquals(ours.stdout.trim(), `${NAME}@${DIGEST}`, ours.stderr);
    assertEquals(byUs, serves);
    assertEquals(byThem, serves);
  });
}

/** Returns the kinds of content that a registry has served, all for the right registry. */
function served({ requests }: FaultyRegistry, from = 0): readonly string[] {
  const gets = requests.slice(from).filter(({ method, status }) => {
    return method === "GET" && status === 200;
  });
  for (const { path } of gets) assertEquals(path.endsWith("?ns=a.example%3A5000"), true, path);
  return gets.map(({ path }) => path.includes("/manifests/") ? "manifest" : "blob").sort()
    .reverse();
}

/** Starts containerd, without what needs more than files. */
async function startContainerd(dir: TempDir) {
  const path = dir.join("containerd.sock");
  const config = dir.join("config.toml");
  await Deno.writeTextFile(
    config,
    `version = 2
    root = "${dir.join("root")}"
    state = "${dir.join("state")}"
    disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
    [grpc]
    address = "${path}"
    [ttrpc]
    address = "${path}.ttrpc"`,
  );
  const child = new Deno.Command(programPath("containerd") ?? "containerd", {
    args: [`--config=${config}`],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = child.stderr.pipeThrough(new TextDecoderStream());
  let text = "";
  for await (const part of log.values({ preventCancel: true })) {
    text += part;
    if (text.includes("successfully booted")) break;
  }
  const rest = log.pipeTo(new WritableStream());
  return {
    path,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await Promise.all([child.status, rest]);
    },
  };
}
