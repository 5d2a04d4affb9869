import { storeDirectory } from "../../cache/store_directory.ts";
import type { ImageLocation } from "../../registry/image_location.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import type { ContentStoreOptions } from "../../store/content/content_store_options.ts";
import { lstatIfAny } from "../../store/host/files.ts";
import type { Session } from "../frame/session.ts";

/** Returns the store directory from the command line or the environment. */
export function storePath(session: Session): string {
  return session.options().store ?? storeDirectory();
}

/**
 * Whether a location is a digest in the store of the command, so that nothing needs to be copied.
 */
export function isInStore(session: Session, location: ImageLocation): boolean {
  return location.transport === "oci" && location.digest !== undefined &&
    location.path === storePath(session);
}

/** Opens the store from the command line or the environment. */
export async function openStore(
  session: Session,
  { damaged }: Pick<ContentStoreOptions, "damaged"> = {},
): Promise<ContentStore> {
  return await ContentStore.open(storePath(session), { onWait: session.note, damaged });
}

/**
 * Opens the store for a command that does not create one. Notes if the path of `--store` is
 * missing.
 */
export async function openExistingStore(
  session: Session,
  options: Pick<ContentStoreOptions, "damaged"> = {},
): Promise<ContentStore> {
  const { store: path } = session.options();
  if (path !== undefined && lstatIfAny(path) === undefined) {
    session.note(`there is no store at "${path}"`);
  }
  return await openStore(session, options);
}
