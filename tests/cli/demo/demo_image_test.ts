import { assert, assertEquals, assertThrows } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { demoProgram } from "../../../cli/demo/_demo_elf.ts";
import { buildDemoImage, demoGreeting } from "../../../cli/demo/demo_image.ts";
import { TarParser } from "../../../layer/mod.ts";
import {
  type Digest,
  digestOf,
  type Index,
  type Manifest,
  parseImageConfig,
  parseManifest,
} from "../../../spec/mod.ts";
import { peerTest } from "../../_support/peers.ts";
import { run } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

for (const architecture of ["amd64", "arm64"] as const) {
  const processor = { amd64: "x86_64", arm64: "aarch64" }[architecture];
  // The processor itself, or an emulator of it.
  const emulators = Deno.build.arch === processor ? [] : [`qemu-${processor}-static`];
  peerTest({
    name: `demoProgram() assembles a program that ${architecture} runs`,
    needs: emulators,
    reason: Deno.build.os === "linux" ? undefined : "the program is for Linux",
  }, async () => {
    await using directory = await makeTempDir();
    const path = directory.join("hello");
    await Deno.writeFile(path, demoProgram(architecture, "Hellö\n"), { mode: 0o755 });
    const [command = path, ...args] = [...emulators, path];

    const { code, stdout, stderr } = await run(command, args);

    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "Hellö\n", stderr: "" });
  });
}

Deno.test.each(
  [
    { architecture: "amd64", machine: 62 },
    { architecture: "arm64", machine: 183 },
  ] as const,
)("demoProgram() says that it is for $architecture", ({ architecture, machine }) => {
  const program = demoProgram(architecture, "x");
  const header = new DataView(program.buffer);

  assertEquals(header.getUint32(0), 0x7f454c46);
  assertEquals(header.getUint16(18, true), machine);
  assertEquals(header.getBigUint64(64 + 32, true), BigInt(program.length));
});

Deno.test("demoProgram() refuses text that is too long for an instruction", () => {
  assertThrows(() => demoProgram("arm64", "x".repeat(65_536)), RangeError, "65536");
});

Deno.test("buildDemoImage() is the same each time", () => {
  assertEquals(buildDemoImage().descriptor, buildDemoImage().descriptor);
});

Deno.test("buildDemoImage() names every blob by its digest", () => {
  for (const [digest, bytes] of buildDemoImage().blobs) assertEquals(digestOf(bytes), digest);
});

Deno.test("buildDemoImage() covers whiteouts, links and owners, for two platforms", () => {
  const { descriptor, blobs } = buildDemoImage();
  const read = (digest: Digest) => blobs.get(digest) ?? new Uint8Array();
  const index = parseManifest(read(descriptor.digest)).value as Index;

  for (const entry of index.manifests) {
    const manifest = parseManifest(read(entry.digest)).value as Manifest;
    const config = parseImageConfig(read(manifest.config.digest));
    const entries = new Map<string, string>();
    manifest.layers.forEach(({ digest, mediaType }, i) => {
      const blob = read(digest);
      const tar = mediaType.endsWith("+gzip") ? gunzipSync(blob) : blob;
      assertEquals(digestOf(tar), config.diffIds[i]);
      const parser = new TarParser({
        entry: (header) => entries.set(header.path, header.linkname || header.type),
        data() {},
        end() {},
      });
      parser.push(tar);
      parser.finish();
    });

    const { architecture } = config.platform;
    assertEquals(entry.platform, { os: "linux", architecture });
    assertEquals(config.config.User, "demo");
    assertEquals(entries.get("bin"), "usr/bin");
    assertEquals(entries.get("usr/bin/greet"), "usr/bin/hello");
    assert(entries.has("usr/share/.wh.build-notes") && entries.has("var/cache/.wh..wh..opq"));
  }
  assertEquals(index.manifests.length, 2);
});

Deno.test("demoGreeting() names the platform", () => {
  assertEquals(demoGreeting("arm64"), "Hello from @x/oci on linux/arm64!\n");
});
