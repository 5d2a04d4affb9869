import { ContentStore } from "../../store/content/content_store.ts";
import { makeTempDir, type TempDirOptions } from "./temp.ts";

/** Opens a store in a new directory, which is removed when the store is disposed of. */
export async function makeTempStore(
  options?: TempDirOptions,
): Promise<ContentStore & AsyncDisposable> {
  const directory = await makeTempDir(options);
  const store = await ContentStore.open(directory.path);
  return Object.assign(store, { [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() });
}
