import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readKeyPair, readOptionFile } from "../../../cli/access/option_file.ts";
import { UsageError } from "../../../cli/frame/errors.ts";
import { makeCertificates } from "../../_support/certificates.ts";
import { denoEnvironment, run } from "../../_support/process.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

posixTest(
  "readOptionFile() refuses devices, pipes and large files, and names the option",
  async () => {
    await using dir = await makeTempDir();
    const [pipe, large] = [dir.join("pipe"), dir.join("large")];
    await run("mkfifo", [pipe]);
    await Deno.writeFile(large, new Uint8Array(1024 * 1024 + 1));

    for (const path of ["/dev/zero", pipe]) {
      const message = `cannot use --htpasswd "${path}": it is not a regular file`;
      await assertRejects(() => readOptionFile("--htpasswd", path), UsageError, message);
    }
    const problem = `cannot use --tls-cert "${large}": it is larger than 1048576 bytes`;
    await assertRejects(() => readKeyPair("--tls", large, large), UsageError, problem);
  },
);

posixTest("readOptionFile() reads a pipe that the shell has opened, up to 1 MiB", async () => {
  await using dir = await makeTempDir();
  const script = dir.join("script.ts");
  const module = new URL("../../../cli/access/option_file.ts", import.meta.url);
  await Deno.writeTextFile(
    script,
    `import { readOptionFile } from "${module}";
    console.log(await readOptionFile("--verify", "/dev/stdin"));`,
  );
  const program = `"${Deno.execPath()}" run -A --quiet "${script}"`;
  const env = await denoEnvironment();

  const { stdout } = await run("sh", ["-c", `printf text | ${program}`], { env });
  const endless = await run("sh", ["-c", `${program} < /dev/zero`], { env });

  assertEquals(stdout, "text\n");
  assertStringIncludes(endless.stderr, "it is larger than 1048576 bytes");
});

Deno.test("readKeyPair() refuses files that are no pair, and names their options", async () => {
  await using dir = await makeTempDir();
  const { cert, key, clientKey } = await makeCertificates(dir.path);
  const refuse = async (certPath: string, keyPath: string, message: string) => {
    await assertRejects(() => readKeyPair("--tls", certPath, keyPath), UsageError, message);
  };

  const pair = await readKeyPair("--tls", cert, key);

  assertStringIncludes(pair.cert, "CERTIFICATE");
  await refuse(key, key, `cannot use --tls-cert "${key}": it contains no "-----BEGIN CERT`);
  await refuse(cert, cert, `cannot use --tls-key "${cert}": it contains no private key`);
  const secret = dir.join("secret.key");
  const text = await Deno.readTextFile(key);
  for (const mark of ["BEGIN ENCRYPTED", "Proc-Type: 4,ENCRYPTED\n-----BEGIN"]) {
    await Deno.writeTextFile(secret, text.replace("BEGIN", mark));
    await refuse(cert, secret, `cannot use --tls-key "${secret}": it contains no private key`);
  }
  await refuse(cert, clientKey, "the key of --tls-key is not that of the certificate");
});
