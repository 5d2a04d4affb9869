import { assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { faultyRegistry, on, respond } from "../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../_support/image.ts";
import { ociSession } from "../_support/oci_session.ts";
import { peerTest, runPeer } from "../_support/peers.ts";
import { file, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";

const runOci = ociSession();

const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
const { digest: DIGEST } = IMAGE.descriptor;

/** The registries that a configuration may name, each with the image under its own name. */
const NAMES = ["hub/app", "other/app", "example/app", "broken/app"];

const CASES = [
  {
    what: "the first mirror",
    conf: (host: string) => rule("example.com", "example.com", `${host}/hub`, `${host}/other`),
    name: "example.com/app:1",
    takes: "hub/app",
  },
  {
    what: "the mirror after one that fails",
    conf: (host: string) => rule("example.com", "example.com", `${host}/fails`, `${host}/other`),
    name: "example.com/app:1",
    takes: "other/app",
  },
  {
    what: "the location after a mirror that lacks the image",
    conf: (host: string) => rule("example.com/a", `${host}/example`, `${host}/none`),
    name: "example.com/a/app:1",
    takes: "example/app",
  },
  {
    what: "the rule with the longest prefix",
    conf: (host: string) =>
      rule("example.com", `${host}/hub`) + rule("example.com/a", `${host}/other`),
    name: "example.com/a/app:1",
    takes: "other/app",
  },
  {
    what: "a rule for all subdomains",
    conf: (host: string) => rule("*.example.com", `${host}/hub`),
    name: "a.b.example.com/app:1",
    takes: "hub/app",
  },
  {
    what: "a mirror for digests by digest",
    conf: (host: string) =>
      rule("example.com", `${host}/other`, `${host}/hub`) + 'pull-from-mirror = "digest-only"\n',
    name: `example.com/app@${DIGEST}`,
    takes: "hub/app",
  },
  {
    what: "the location by tag, with a mirror for digests",
    conf: (host: string) =>
      rule("example.com", `${host}/other`, `${host}/hub`) + 'pull-from-mirror = "digest-only"\n',
    name: "example.com/app:1",
    takes: "other/app",
  },
] as const;

/** A rule and its mirrors, all without TLS. */
function rule(prefix: string, location: string, ...mirrors: readonly string[]): string {
  const insecure = "insecure = true\n";
  return `[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"\n${insecure}` +
    mirrors.map((place) => `[[registry.mirror]]\nlocation = "${place}"\n${insecure}`).join("");
}

for (const { what, conf, name, takes } of CASES) {
  peerTest({
    name: `oci and skopeo take an image from ${what} of the same file`,
    needs: ["skopeo"],
  }, async () => {
    const content = NAMES.reduce(
      (all, repository) => all.add(repository, "1", IMAGE),
      new MemoryContent(),
    );
    await using registry = faultyRegistry(content, [on({ path: /\/fails\// }, respond(500))]);
    await using home = await makeTempDir();
    const path = home.join(".config/containers/registries.conf");
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, conf(registry.host));
    const env = { HOME: home.path, CONTAINERS_REGISTRIES_CONF: "" };
    const seen = () => {
      const found = registry.requests.filter(({ kind, status }) =>
        kind === "manifest" && status === 200
      )
        .map((request) => request.path.replace(/^\/v2\/(.*)\/manifests\/.*$/, "$1"));
      return [...new Set(found)];
    };

    const format = "--format={{.Digest}}";
    const args = ["inspect", "--no-tags", format, `docker://${name}`];
    const theirs = await runPeer("skopeo", args, { env });
    const byThem = seen();
    const before = registry.requests.length;
    const ours = await runOci(["digest", name], { env });
    const byUs = registry.requests.slice(before).filter(({ status }) => status === 200)
      .map((request) => request.path.replace(/^\/v2\/(.*)\/manifests\/.*$/, "$1"));

    assertEquals(ours.stdout.trim(), theirs.stdout.trim(), ours.stderr);
    assertEquals(byThem, [takes]);
    assertEquals([...new Set(byUs)], [takes]);
  });
}

peerTest(
  { name: "oci and skopeo refuse an image that the same file blocks", needs: ["skopeo"] },
  async () => {
    await using home = await makeTempDir();
    const path = home.join(".config/containers/registries.conf");
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, '[[registry]]\nlocation = "example.com/bad"\nblocked = true\n');
    const env = { HOME: home.path, CONTAINERS_REGISTRIES_CONF: "" };

    const theirs = await runPeer("skopeo", ["inspect", "docker://example.com/bad/app:1"], { env })
      .then(() => "", String);
    const ours = await runOci(["digest", "example.com/bad/app:1"], { env });

    assertEquals([theirs.includes("blocked"), ours.stderr.includes("blocks")], [true, true]);
  },
);
