/**
 * `deno run -A _unpack_as_user.ts UID BACKEND DIRECTORY COUNT SEED`: unpacks stacks of layers, each
 * as a whole and one path of it, into `DIRECTORY/root/0` and so on, becomes an ordinary user, and
 * does the same in `DIRECTORY/user`. Prints the names of the errors for both users.
 */
import { keepNativeBackend } from "../../../layer/linux/native_libc.ts";
import type { TreeBackend } from "../../../layer/mod.ts";
import type { RemoteImage } from "../../../spec/mod.ts";
import { ContentStore, unpackImage } from "../../../store/mod.ts";
import { becomeUser } from "../../_support/become_user.ts";
import { closedStacks } from "./_closed_stacks.ts";
import { fakeLayers } from "./_unpack_box.ts";

const [uid, backend, directory, count, seed] = Deno.args;
const stacks = closedStacks(Number(count), Number(seed));

async function unpackAll(place: string): Promise<readonly string[]> {
  using _native = keepNativeBackend();
  const store = await ContentStore.open(`${place}/store`);
  const errors: string[] = [];
  for (const layers of stacks) {
    const image = { layers: fakeLayers(layers) } as unknown as RemoteImage;
    for (const paths of [undefined, ["a/b"]]) {
      const options = { backend: backend as TreeBackend, paths };
      try {
        await unpackImage(store, image, `${place}/${errors.length}`, options);
        errors.push("");
      } catch (error) {
        errors.push((error as Error).name);
      }
    }
  }
  return errors;
}

await Deno.mkdir(`${directory}/root`);
await Deno.mkdir(`${directory}/user`);
await Deno.chmod(`${directory}/user`, 0o777);
const root = await unpackAll(`${directory}/root`);
becomeUser(Number(uid));
const user = await unpackAll(`${directory}/user`);
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ root, user })));
