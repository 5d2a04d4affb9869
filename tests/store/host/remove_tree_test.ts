import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { peerTest } from "../../_support/peers.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

const SCRIPT = fromFileUrl(new URL("../_remove_as_user.ts", import.meta.url));

peerTest({
  name:
    "removeTree() as an ordinary user removes inaccessible directories and names that are not UTF-8",
  needs: [],
  root: true,
}, async () => {
  await using temp = await makeTempDir();
  await Deno.chmod(temp.path, 0o777);

  const { code, stderr } = await run(Deno.execPath(), [
    ...["run", "-A", "--quiet", `--config=${ROOT}/deno.json`, SCRIPT],
    ...["65534", temp.path],
  ], { env: await denoEnvironment() });

  assertEquals(code, 0, stderr);
  assertEquals(await Array.fromAsync(Deno.readDir(temp.path)), []);
});
