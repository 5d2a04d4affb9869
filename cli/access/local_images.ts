import type { ArchiveLocation, LayoutLocation } from "../../registry/image_location.ts";
import type { ImageArchive } from "../../store/archives/image_archive.ts";
import type { LayoutClient } from "../../store/images/layout_client.ts";
import { type LimitOption, limitsOf } from "../frame/limits.ts";
import type { Session } from "../frame/session.ts";
import { storePath } from "./store.ts";

const OPEN = new WeakMap<Session, Map<string, Promise<ImageArchive>>>();

export async function openLocalImage(
  session: Session,
  source: LayoutLocation | ArchiveLocation,
): Promise<LayoutClient> {
  const { LayoutClient } = await import("../../store/images/layout_client.ts");
  if (source.transport === "oci") return await LayoutClient.open(source);
  return await LayoutClient.find(await openLocalArchive(session, source), source);
}

/**
 * Opens an archive, only once per command: stdin cannot be read again, and decompressing an archive
 * takes time. The session closes it.
 */
export function openLocalArchive(
  session: Session,
  { path, transport }: ArchiveLocation,
): Promise<ImageArchive> {
  const archives = OPEN.getOrInsertComputed(session, () => new Map());
  return archives.getOrInsertComputed(`${transport} ${path}`, () => open(session, path, transport));
}

async function open(
  session: Session,
  path: string,
  format: ArchiveLocation["transport"],
): Promise<ImageArchive> {
  const { ImageArchive } = await import("../../store/archives/image_archive.ts");
  return session.own(
    await ImageArchive.open(path, {
      ...limitsOf(session.options<LimitOption>()),
      format,
      spoolDirectory: `${storePath(session)}/ingest`,
      signal: session.signal,
      onWarning: session.warn,
    }),
  );
}
