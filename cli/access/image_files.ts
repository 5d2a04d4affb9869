import { formatReference } from "../../registry/reference.ts";
import { ImageFiles } from "../../store/images/image_files.ts";
import { Finder } from "./finder.ts";
import { readSource } from "./references.ts";
import type { Session } from "../frame/session.ts";
import { openStore } from "./store.ts";

/** The files of an image, valid until disposal. */
export interface OpenImageFiles extends Disposable {
  readonly files: ImageFiles;
}

/** Opens the files of the image named by the first operand. */
export async function openImageFiles(session: Session): Promise<OpenImageFiles> {
  const source = readSource(session.operands[0] ?? "");
  const finder = await Finder.open(session);
  try {
    const { image, reference } = await finder.image(source);
    session.workOn(`${formatReference(reference)} ${session.operands[1] ?? ""}`.trim());
    const { signal, warn: onWarning } = session;
    const files = new ImageFiles(await openStore(session), image, { signal, onWarning });
    return { files, [Symbol.dispose]: () => finder[Symbol.dispose]() };
  } catch (error) {
    finder[Symbol.dispose]();
    throw error;
  }
}

/** Returns the error for a path that does not exist in an image. */
export function missing(path: string): Error {
  return new Deno.errors.NotFound(
    `Cannot find "${path}" in the image: it does not exist; list the files with "oci ls"`,
  );
}
