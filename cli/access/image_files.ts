import { MAX_LINKS } from "../../layer/trees/walk_path.ts";
import { formatReference } from "../../registry/reference.ts";
import { blobsOfImage, findHeld } from "../../store/content/find_held.ts";
import { type ImageFile, ImageFiles } from "../../store/files/image_files.ts";
import { CommandError } from "../frame/errors.ts";
import { type LimitOption, limitsOf } from "../frame/limits.ts";
import type { Session } from "../frame/session.ts";
import { ImageFinder } from "./image_finder.ts";
import { notePartialLayer, noteReusedBytes } from "./partial_notes.ts";
import { locateImage } from "./references.ts";

/** The files of an image, valid until disposal. */
export interface OpenImageFiles extends AsyncDisposable {
  readonly files: ImageFiles;
  /**
   * Hides the progress of downloads, so that it does not mix with a result on the same terminal.
   */
  hideProgress(): Promise<void>;
}

/** Opens the files of the image named by the first operand. */
export async function openImageFiles(session: Session): Promise<OpenImageFiles> {
  const source = await locateImage(session, session.operands[0] ?? "");
  await using stack = new AsyncDisposableStack();
  const finder = stack.use(await ImageFinder.open(session));
  const { store } = finder;
  const held = await findHeld(store, () => finder.image(source), {
    blobsOf: ({ image, source }) => source === "store" ? blobsOfImage(image) : [],
    signal: session.signal,
  });
  session.own(held);
  const { image, reference, source: place } = held.found;
  const name = formatReference(reference);
  session.workOn(`${name} ${session.operands[1] ?? ""}`.trim());
  const { signal, warn: onWarning } = session;
  const onPartialLayer = notePartialLayer(session);
  const progress = place === "store"
    ? undefined
    : (await import("./layer_progress.ts")).showLayers(session, name);
  const hideProgress = async () => await progress?.[Symbol.asyncDispose]();
  const limits = limitsOf(session.options<LimitOption>());
  const options = { ...limits, ...progress?.listener, signal, onWarning, onPartialLayer };
  const files = new ImageFiles(store, image, options);
  stack.defer(() => noteReusedBytes(session, files.reusedBytes));
  stack.defer(hideProgress);
  const opened = stack.move();
  return { files, hideProgress, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Returns the error for a path that does not exist in an image. Names a dangling symlink. */
export async function missing(files: ImageFiles, path: string): Promise<Error> {
  const cause = await whyMissing(files, path);
  return new CommandError(
    `cannot find "${path}" in the image: ${cause}`,
    'List the files with "oci ls"',
    { code: "missing-path", subject: path },
  );
}

async function whyMissing(files: ImageFiles, path: string): Promise<string> {
  let link = await lastOf(files, path);
  if (link?.status.type !== "symlink" || await files.find(link.path) !== undefined) {
    return "it does not exist";
  }
  for (let links = 0; links < MAX_LINKS; links++) {
    const { path: name, target } = link;
    const parent = target.startsWith("/") ? "" : name.slice(0, name.lastIndexOf("/") + 1);
    link = await lastOf(files, parent + target);
    if (link?.status.type !== "symlink" || await files.find(link.path) !== undefined) {
      return `"${name}" is a symlink to "${target}", which does not exist`;
    }
  }
  return "it leads through too many symlinks";
}

/** Returns the entry of the longest prefix of a path that the image has. */
async function lastOf(files: ImageFiles, path: string): Promise<ImageFile | undefined> {
  const parts = path.split("/");
  let last: ImageFile | undefined;
  // Search in halves, because paths can be very deep, and each lookup resolves all of one.
  let [low, high] = [0, parts.length];
  while (low < high) {
    const middle = low + high + 1 >> 1;
    const found = await files.find(parts.slice(0, middle).join("/"), false);
    if (found === undefined) {
      high = middle - 1;
    } else {
      last = found;
      low = middle;
    }
  }
  return last;
}
