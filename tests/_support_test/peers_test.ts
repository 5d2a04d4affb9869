import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { denoEnvironment, ROOT, run } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";

/** Runs a separate test file that needs a program. */
async function runPeerTest(needs: string, ci: string): Promise<{ code: number; output: string }> {
  await using temp = await makeTempDir();
  const module = join(ROOT, "tests", "_support", "peers.ts");
  const path = temp.join("a_test.ts");
  await Deno.writeTextFile(
    path,
    `import { peerTest } from ${JSON.stringify(`file://${module}`)};
     peerTest({ name: "needs a program", needs: ["${needs}"] }, () => {});`,
  );
  const args = ["test", "-A", "--no-check", "--config", join(ROOT, "deno.json"), path];
  const env = { ...await denoEnvironment(), CI: ci, NO_COLOR: "1" };
  const { code, stdout, stderr } = await run(Deno.execPath(), args, { env });
  return { code, output: stdout + stderr };
}

Deno.test.each([
  { needs: "sh", ci: "true", code: 0, says: "needs a program ... ok" },
  { needs: "sh", ci: "", code: 0, says: "needs a program ... ok" },
  {
    needs: "no-such-program",
    ci: "",
    code: 0,
    says: "needs a program (skipped: no no-such-program) ... ignored",
  },
  {
    needs: "no-such-program",
    ci: "true",
    code: 1,
    says: "Cannot skip a test with CI=true: no no-such-program",
  },
])('peerTest() that needs $needs, with CI="$ci"', async ({ needs, ci, code, says }) => {
  const result = await runPeerTest(needs, ci);

  assertStringIncludes(result.output, says);
  assertEquals(result.code, code);
});
