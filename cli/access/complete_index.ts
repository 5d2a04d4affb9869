import { openCopySource } from "../../cache/moving/open_endpoints.ts";
import type { RemoteClient } from "../../registry/client/remote_client.ts";
import type { ImagePullAuth } from "../../registry/image_client.ts";
import type { ImageLocation } from "../../registry/image_location.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { copyGraph } from "../../store/moving/copy_graph.ts";
import { LayoutContent } from "../../store/moving/layout_content.ts";
import { isStored } from "../../store/moving/stored_graph.ts";
import type { Session } from "../frame/session.ts";
import { openStore, storePath } from "./store.ts";

/**
 * Pulls the remaining manifests of an index into the store, such as attestations, which have no
 * platform. An incomplete index could not be pushed.
 */
export async function completeIndex(
  session: Session,
  source: ImageLocation,
  index: Descriptor,
  { client, auth }: { readonly client: RemoteClient; readonly auth: ImagePullAuth | undefined },
): Promise<void> {
  const store = await openStore(session);
  if (await isStored(store, index)) return;
  const { signal, warn: onWarning } = session;
  const spoolDirectory = () => `${storePath(session)}/ingest`;
  const options = { client, auth, signal, onWarning, spoolDirectory };
  using _hold = await store.hold(signal);
  await using opened = await openCopySource(source, options);
  await copyGraph(opened.content, new LayoutContent(store), index, { signal });
}
