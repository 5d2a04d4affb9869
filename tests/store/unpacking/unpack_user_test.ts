import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import "../../_support/native_backend.ts";
import { peerTest } from "../../_support/peers.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { describeOwnerless } from "../../_support/tree.ts";

const SCRIPT = fromFileUrl(new URL("./_unpack_as_user.ts", import.meta.url));
const USER = 65_534;
const COUNT = 10;
const SEED = 1;

for (const backend of ["native", "pure"] as const) {
  peerTest({
    name: `unpackImage() as an ordinary user makes the same tree as root, ${backend} backend`,
    needs: [],
    root: true,
  }, async () => {
    await using temp = await makeTempDir({ large: true });
    await Deno.chmod(temp.path, 0o755);

    const { code, stdout, stderr } = await run(Deno.execPath(), [
      ...["run", "-A", "--quiet", `--config=${ROOT}/deno.json`, SCRIPT],
      ...[String(USER), backend, temp.path, String(COUNT), String(SEED)],
    ], { env: await denoEnvironment() });

    assertEquals(code, 0, stderr);
    const { root, user }: Record<string, readonly string[]> = JSON.parse(stdout);
    assertEquals(user, root);
    const unpacked = (root ?? []).map((error, i) => error === "" ? [i] : []).flat();
    // Otherwise, the test would show little.
    assert(unpacked.length > COUNT, `only ${unpacked.length} images were unpacked`);
    for (const i of unpacked) {
      assertEquals(
        describeOwnerless(temp.join("user", `${i}`)),
        describeOwnerless(temp.join("root", `${i}`)),
        `stack ${i}`,
      );
    }
  });
}
