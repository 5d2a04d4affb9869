import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { peerTest } from "../_support/peers.ts";
import { denoEnvironment, ROOT, run } from "../_support/process.ts";

peerTest({
  name: "makeTempDir() prefers a disk to memory that is read-only",
  needs: ["unshare", "mount"],
  root: true,
}, async () => {
  const module = join(ROOT, "tests/_support/temp.ts");
  const script = `import { makeTempDir } from ${JSON.stringify(module)};
    await using directory = await makeTempDir({ large: true });
    console.log(directory.path);`;
  const mounting = 'mount -t tmpfs -o ro,size=2g none /dev/shm && exec "$@"';
  const deno = [Deno.execPath(), "run", "-A", "--no-check", `--config=${ROOT}/deno.json`, "-"];

  const { stdout, stderr } = await run("unshare", ["-m", "sh", "-c", mounting, "sh", ...deno], {
    env: await denoEnvironment(),
    stdin: script,
  });

  assertEquals(stderr, "");
  assertMatch(stdout, /oci-test-/);
});
