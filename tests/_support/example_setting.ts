/**
 * The surroundings that examples in the documentation rely on: the image `alpine:3.20`, an empty
 * registry at `localhost:5000`, and files in the working directory.
 *
 * @module
 */
import { join } from "@std/path";
import { copy } from "../../mod.ts";
import { serveRegistry } from "../../registry/mod.ts";
import { makeServerTls } from "./certificates.ts";
import { buildArtifact, buildImage, buildIndex } from "./image.ts";
import { MemoryContent } from "./memory_content.ts";
import { buildTagged, makeKey, signatureTag, type SigningKey, signTagged } from "./signing.ts";
import { dir, file, gzip, symlink, tar } from "./tar.ts";
import { makeTempDir, namesIn } from "./temp.ts";

/** Runs examples. Disposing of it stops the registries and removes the files. */
export interface ExampleSetting extends AsyncDisposable {
  /**
   * Prepares an example: a directory of its own takes the place of the working directory, and
   * registries on this machine take the place of those in its code.
   *
   * @returns The path of a module to run.
   */
  prepare(name: string, code: string): Promise<string>;
}

const SPDX = "application/spdx+json";
const SBOM = JSON.stringify({ spdxVersion: "SPDX-2.3", name: "alpine" });

const LAYER = tar(
  dir("bin"),
  file("bin/busybox", "#!", { mode: 0o755 }),
  symlink("bin/sh", "busybox"),
  dir("etc"),
  file("etc/os-release", 'NAME="Alpine Linux"\nVERSION_ID=3.20.0\n'),
  file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
);

/** Serves the images, and makes the files. */
export async function openExampleSetting(): Promise<ExampleSetting> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await makeTempDir());
  const key = makeKey();
  const images = opened.use(await serveRegistry(alpine(key)));
  const files = directory.join("files");
  await writeFiles(files, `${images.host}/alpine:3.20`, key.pem);
  const closing = opened.move();
  const place = async (code: string, home: string) => {
    for (const name of await namesIn(files)) {
      if (code.includes(`"./${name}"`)) await Deno.copyFile(join(files, name), join(home, name));
    }
    const placed = code
      .replaceAll(/(?<=["'`:])\.\//g, `${home}/`)
      .replaceAll(/(?<=["'`])alpine:3\.20/g, `${images.host}/alpine:3.20`);
    if (!placed.includes("localhost:5000")) return placed;
    const empty = closing.use(await serveRegistry());
    return placed.replaceAll("localhost:5000", empty.host);
  };
  return {
    prepare: async (name, code) => {
      const home = directory.join(name);
      await Deno.mkdir(home);
      const module = join(home, "example.ts");
      // Without `await`, paths and references are only parsed.
      const placed = code.includes("await ") ? await place(code, home) : code;
      await Deno.writeTextFile(module, placed);
      return module;
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** An image for two platforms, with a signature and an SBOM. */
function alpine(key: SigningKey): MemoryContent {
  const config = { Cmd: ["/bin/sh"], Env: ["PATH=/bin"] };
  const index = buildIndex(
    ["linux/amd64", "linux/arm64"].map((platform) =>
      buildImage({ layers: [LAYER], platform, config })
    ),
  );
  const { descriptor } = index;
  const content = new MemoryContent().add("alpine", "3.20", index);
  content.add(
    "alpine",
    signatureTag(descriptor.digest),
    buildTagged([
      signTagged(key, descriptor.digest),
    ]),
  );
  const sbom = buildArtifact({ artifactType: SPDX, subject: descriptor, content: SBOM });
  return content.add("alpine", undefined, sbom);
}

async function writeFiles(directory: string, reference: string, pem: string): Promise<void> {
  await Deno.mkdir(directory);
  const path = (name: string) => join(directory, name);
  await Deno.writeFile(path("layer.tar.gz"), gzip(LAYER));
  await Deno.writeTextFile(path("sbom.json"), SBOM);
  await Deno.writeTextFile(path("cosign.pub"), pem);
  await copy(reference, `docker-archive:${path("app.tar")}:app:v1`, { platforms: ["linux/amd64"] });
  const { ca, cert, key } = await makeServerTls();
  await Deno.writeTextFile(path("ca.crt"), ca);
  await Deno.writeTextFile(path("server.crt"), cert);
  await Deno.writeTextFile(path("server.key"), key);
}
