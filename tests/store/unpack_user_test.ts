import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { RemoteImage } from "../../spec/mod.ts";
import { unpackImage } from "../../store/mod.ts";
import { peerTest } from "../_support/peers.ts";
import { denoEnvironment, ROOT, run } from "../_support/process.ts";
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { describeTree, readTree } from "../_support/tree.ts";
import { fakeLayers, makeUnpackBox } from "./_unpack_box.ts";

const SCRIPT = fromFileUrl(new URL("./_unpack_as_user.ts", import.meta.url));
const USER = 65534;

/** Directories that their owner may not read, write or look into, in each place of a merge. */
const IMAGES: readonly (readonly Uint8Array[])[] = [
  ...[0o555, 0o444, 0o111, 0o600, 0].flatMap((mode) => [
    [tar(dir("proc", { mode }), file("proc/f", "x"))],
    [tar(dir("usr")), tar(dir("usr"), dir("usr/share", { mode }), file("usr/share/f", "x"))],
    [tar(dir("d", { mode }), file("d/f", "f")), tar(file("d/a/b", "b"))],
    [tar(dir("d", { mode }), dir("d/e", { mode }), file("d/e/f", "f")), tar(whiteout("d/e/f"))],
    [tar(dir("d", { mode }), dir("d/e"), file("d/e/f", "f")), tar(file("d/e/g", "g"))],
    [tar(dir("d", { mode }), file("d/f", "f")), tar(opaque("d"), dir("d/e", { mode }))],
    [tar(dir("d", { mode }), file("d/f", "f")), tar(file("d", "a file"))],
    [tar(file("f", "f")), tar(dir("f", { mode }), symlink("f/l", "..")), tar(file("f/l/g", "g"))],
    [tar(dir("d", { mode }), file("d/f", "f")), tar(hardlink("h", "d/f"), whiteout("d"))],
    [tar(dir(".", { mode }), file("f", "f")), tar(file("g", "g"))],
    [tar(dir("d"), file("d/f", "f")), tar(dir(".", { mode }), dir("d", { mode }), file("d/g", ""))],
  ]),
];

for (const backend of ["native", "pure"] as const) {
  peerTest({
    name: `unpackImage() as an ordinary user does what it does as root, ${backend} backend`,
    needs: [],
    root: true,
  }, async () => {
    await using temp = await makeTempDir({ large: true });
    await Deno.chmod(temp.path, 0o777);
    for (const [i, layers] of IMAGES.entries()) {
      await Deno.mkdir(temp.join(String(i)));
      await Deno.chmod(temp.join(String(i)), 0o777);
      for (const [j, layer] of layers.entries()) {
        await Deno.writeFile(temp.join(`${i}/${j}.tar`), layer);
      }
    }

    const { code, stdout, stderr } = await run(Deno.execPath(), [
      ...["run", "--quiet", "--no-prompt", `--config=${ROOT}/deno.json`, "-A", SCRIPT],
      ...[String(USER), backend, temp.path, String(IMAGES.length)],
    ], { env: await denoEnvironment() });

    assertEquals({ code, stdout }, { code: 0, stdout: "[]" }, stderr);
    for (const [i, layers] of IMAGES.entries()) {
      await using box = await makeUnpackBox();
      const image = { layers: fakeLayers(layers) } as unknown as RemoteImage;
      await unpackImage(box.store, image, box.root, { backend });
      assertEquals(treeOf(temp.join(`${i}/root`)), treeOf(box.root), `image ${i}`);
    }
  });
}

/** What is there, whoever it belongs to. */
function treeOf(root: string): Readonly<Record<string, string>> {
  const states = [...readTree(root)].map(([path, state]) => {
    return [path, { ...state, uid: 0, gid: 0 }] as const;
  });
  return describeTree(new Map(states));
}
