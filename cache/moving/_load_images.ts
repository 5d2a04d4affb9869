import { ContentStore } from "../../store/content/content_store.ts";
import { loadArchive, type LoadedImage } from "../../store/moving/load_archive.ts";
import { storeDirectory } from "../store_directory.ts";
import { CopyMeter } from "./_copy_meter.ts";
import type { LoadOptions } from "./moving_options.ts";

/** Loads the images of an archive with progress. */
export async function loadImages(
  path: string,
  { store: directory = storeDirectory(), onWait, onProgress, ...options }: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const store = await ContentStore.open(directory, { onWait });
  using meters = new DisposableStack();
  let meter: CopyMeter | undefined;
  const loaded = await loadArchive(store, path, {
    ...options,
    onVerify: (bytes, total) => {
      onProgress?.({
        kind: "total",
        time: Date.now(),
        reference: path,
        phase: "verify",
        bytes,
        total,
        resumed: 0,
        retries: 0,
        cached: false,
      });
    },
    onProgress: (progress) => {
      (meter ??= meters.use(new CopyMeter(path, onProgress))).add(progress);
    },
  });
  meter?.end();
  return loaded;
}
