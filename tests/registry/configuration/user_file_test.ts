import { assertEquals, assertRejects } from "@std/assert";
import { readUserFile } from "../../../registry/configuration/user_file.ts";
import { readCertificates } from "../../../registry/mod.ts";
import { run } from "../../_support/process.ts";
import { linuxTest, posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test("readUserFile() reads at most 1 MiB", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("file");
  const bytes = new Uint8Array(1024 * 1024 + 1).fill(1);

  await Deno.writeFile(path, bytes.subarray(1));
  assertEquals(await readUserFile(path), bytes.slice(1));
  await Deno.writeFile(path, bytes);
  assertEquals(await readUserFile(path), "it is larger than 1048576 bytes");
});

linuxTest("readUserFile() reads a file whose size is unknown", async () => {
  assertEquals(await readUserFile("/proc/version"), await Deno.readFile("/proc/version"));
});

posixTest("readCertificates() does not read devices and pipes", async () => {
  await using dir = await makeTempDir();
  await Deno.mkdir(dir.join("certs"));
  await run("mkfifo", [dir.join("certs/ca.crt")]);

  for (const path of ["/dev/zero", dir.join("certs/ca.crt"), dir.join("certs")]) {
    await assertRejects(() => readCertificates(path), SyntaxError, "it is not a regular file");
  }
});
