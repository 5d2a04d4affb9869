import { saveImages } from "../../../cache/moving/save_images.ts";
import type { ImageProgress } from "../../../registry/image_client.ts";
import { formatReference } from "../../../registry/reference.ts";
import type { Descriptor } from "../../../spec/image/descriptor.ts";
import type { ContentStore } from "../../../store/content/content_store.ts";
import { findHeld, type Held } from "../../../store/content/find_held.ts";
import type { ImageToSave, SavedImage } from "../../../store/moving/save_archive.ts";
import { type FoundSource, isArtifactError, openPuller, type Puller } from "../../access/puller.ts";
import { locateImage } from "../../access/references.ts";
import { isInStore, openStore } from "../../access/store.ts";
import { refuseTerminal } from "../../access/transfer.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addRegistryOptions, type RegistryOptions } from "../../frame/options.ts";
import type { Session, ShownProgress } from "../../frame/session.ts";
import type { ProgressWords } from "../../terminal/progress.ts";

interface SaveOptions extends RegistryOptions {
  readonly format?: "oci-archive" | "docker-archive" | "oci-dir" | undefined;
  readonly output?: string | undefined;
}

const WORDS: ProgressWords = {
  unit: "blob",
  transferring: "saving",
  transferred: "saved",
  present: "already saved",
  unchanged: "already saved",
};

export function define(command: Command): Command {
  const described = command
    .argument("<ref...>", "images to save")
    .option("-o, --output <file>", 'file to write, or "-" for stdout')
    .option("--format <format>", "format of the archive (default: oci-archive)", {
      choices: ["oci-archive", "docker-archive", "oci-dir"],
    })
    .description(
      "Saves images to an archive, or with --format oci-dir to an OCI layout in a directory. " +
        "Manifests, configs and layers keep their bytes. Pulls missing images first. " +
        "The file appears when it is complete. A docker-archive contains one platform of each image.",
    );
  return addRegistryOptions(described, {
    defaults: {
      "--platform": "all if the store has them and the format allows, else this machine's",
    },
  }).notes(`
Examples:
  oci save alpine:3.20 -o alpine.tar
  oci save --format docker-archive alpine:3.20 -o - | docker load
  oci save app:1 app:2 -o apps.tar
  oci save --format oci-dir alpine:3.20 -o ./layout`);
}

export async function run(session: Session): Promise<void> {
  const { format = "oci-archive", output, platform } = session.options<SaveOptions>();
  if (output === undefined) {
    throw new UsageError(
      "the output file is missing",
      'Specify "--output FILE", or "-" for stdout',
    );
  }
  const isStdout = output === "-" && format !== "oci-dir";
  if (isStdout) refuseTerminal();
  const store = await openStore(session);
  let progress: ShownProgress | undefined;
  const images = async () => {
    const found = await findImages(session, store);
    session.workOn(session.operands.join(" "));
    progress = session.showProgress(WORDS);
    return found;
  };
  let saved: readonly SavedImage[];
  try {
    saved = await saveImages(store, images, output, {
      format,
      platform,
      output: isStdout ? { write: (bytes) => session.output.bytes(bytes) } : undefined,
      onProgress: (event) => progress?.report(event),
      signal: session.signal,
    });
  } finally {
    await progress?.[Symbol.asyncDispose]();
  }
  const isChosen = platform !== undefined || format === "docker-archive";
  for (const image of saved) notePart(session, image, isChosen);
  if (isStdout || !session.options().json) return;
  await session.output.json(
    saved.map(({ name, descriptor }) => ({
      reference: name ?? null,
      digest: descriptor.digest,
      mediaType: descriptor.mediaType,
    })),
  );
}

/** Finds the images in the store and pulls missing ones. */
async function findImages(
  session: Session,
  store: ContentStore,
): Promise<readonly ImageToSave[]> {
  const images: ImageToSave[] = [];
  using puller = await openPuller(session);
  let first: Held<ImageToSave> | undefined;
  for (const text of session.operands) {
    session.workOn(text);
    const held = await findHeld(store, () => findImage(session, store, puller, text), {
      blobsOf: ({ descriptor }) => [descriptor],
      with: first,
      signal: session.signal,
    });
    first ??= session.own(held);
    images.push(held.found);
  }
  return images;
}

async function findImage(
  session: Session,
  store: ContentStore,
  puller: Puller,
  text: string,
): Promise<ImageToSave> {
  // A name that another tool wrote need not be a valid reference.
  const stored = await store.resolve(text);
  if (stored !== undefined) return { name: text, descriptor: stored };
  const location = await locateImage(session, text);
  const found = await puller.find(location);
  const name = formatReference(found.reference);
  session.workOn(name);
  await using progress = session.showProgress();
  const descriptor = await pullAny(found, progress.report);
  // A digest in the store is not a name.
  return { name: isInStore(session, location) ? undefined : name, descriptor };
}

async function pullAny(
  found: FoundSource,
  onProgress: (event: ImageProgress) => void,
): Promise<Descriptor> {
  try {
    const image = await found.pull(onProgress);
    return (image.indexes[0] ?? image.manifest).descriptor;
  } catch (error) {
    if (!isArtifactError(error)) throw error;
    return (await found.artifact(onProgress)).document.descriptor;
  }
}

/**
 * Notes that an image was saved without its other platforms, or warns if no option asks for that.
 *
 * @param isChosen Whether the options ask for one platform.
 */
function notePart(
  session: Session,
  { name, descriptor, isPart }: SavedImage,
  isChosen: boolean,
): void {
  if (!isPart) return;
  const what = `saved only the manifest ${descriptor.digest} of the multi-platform image ${name}`;
  if (isChosen) return session.note(what);
  session.warn(
    `${what}: the store lacks the rest; to save all of it, fetch it with "oci pull --all-platforms"`,
  );
}
