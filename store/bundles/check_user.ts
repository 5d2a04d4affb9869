import type { LayerLimits } from "../../layer/extraction/layer_limits.ts";
import { resolveUser, UnknownUserError } from "../../spec/options/user.ts";
import type { ContentStore } from "../content/content_store.ts";
import { ImageFiles, type ImageFilesOptions } from "../files/image_files.ts";
import type { Image } from "../images/image.ts";
import { checkTextSize } from "./_root_files.ts";

/**
 * Checks that an image has the user and group of a container, so that a wrong name is reported
 * before the image is extracted. Reads the image in the store only if there is a name to look up.
 *
 * @param user `USER[:GROUP]`, by name or number.
 * @throws {LimitError} If `/etc/passwd` or `/etc/group` is too large.
 * @throws {UnknownUserError} If the image does not have one of the names.
 */
export async function checkUser(
  store: ContentStore,
  image: Image,
  user: string,
  options: Pick<ImageFilesOptions, "signal"> & LayerLimits = {},
): Promise<void> {
  if (/^[0-9:]*$/.test(user)) return;
  const files = new ImageFiles(store, image, options);
  const check = async () => {
    const passwd = await readIfAny(files, "etc/passwd");
    resolveUser(user, passwd, await readIfAny(files, "etc/group"), { image: image.digest });
  };
  try {
    await check();
  } catch (error) {
    if (!(error instanceof UnknownUserError)) throw error;
    // A lookup that starts in the upper layers may have found the wrong file.
    await files.tree();
    await check();
  }
}

/** Reads a text file; anything else counts as an empty file, as in a bundle. */
async function readIfAny(files: ImageFiles, path: string): Promise<string> {
  const found = await files.find(path);
  if (found?.status.type !== "file") return "";
  checkTextSize(`/${path}`, found.status.size);
  return await files.readText(path) ?? "";
}
