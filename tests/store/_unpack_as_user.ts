/**
 * `deno run -A _unpack_as_user.ts UID BACKEND DIRECTORY COUNT`: becomes an ordinary user, unpacks
 * images whose layers are `DIRECTORY/IMAGE/LAYER.tar` to `DIRECTORY/IMAGE/root`, and prints what
 * failed.
 */
import type { TreeBackend } from "../../layer/mod.ts";
import type { RemoteImage } from "../../spec/mod.ts";
import { ContentStore, unpackImage } from "../../store/mod.ts";
import { becomeUser } from "../_support/become_user.ts";
import { fakeLayers } from "./_unpack_box.ts";

const [uid = "", backend = "", directory = "", count = ""] = Deno.args;
const images = Array.from({ length: Number(count) }, (_, i) => {
  const archives: Uint8Array[] = [];
  for (const { name } of [...Deno.readDirSync(`${directory}/${i}`)].sort(byName)) {
    archives.push(Deno.readFileSync(`${directory}/${i}/${name}`));
  }
  return { layers: fakeLayers(archives) } as unknown as RemoteImage;
});
becomeUser(Number(uid));
const failures: string[] = [];
for (const [i, image] of images.entries()) {
  const store = await ContentStore.open(`${directory}/${i}/store`);
  try {
    await unpackImage(store, image, `${directory}/${i}/root`, { backend: backend as TreeBackend });
  } catch (error) {
    failures.push(`${i}: ${error}`);
  }
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(failures)));

function byName(one: Deno.DirEntry, other: Deno.DirEntry): number {
  return one.name < other.name ? -1 : 1;
}
