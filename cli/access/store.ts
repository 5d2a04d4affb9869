import { storeDirectory } from "../../cache/directory.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import type { Session } from "../frame/session.ts";

/** The directory of the store that the command line or the environment names. */
export function storePath(session: Session): string {
  return session.options().store ?? storeDirectory();
}

/** Opens the store that the command line or the environment names. */
export async function openStore(session: Session): Promise<ContentStore> {
  return await ContentStore.open(storePath(session), { onWait: session.note });
}
