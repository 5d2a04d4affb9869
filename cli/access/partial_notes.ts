import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Session } from "../frame/session.ts";
import { formatBytes } from "../terminal/format.ts";

/** Returns a callback that notes with `--verbose` how parts of a layer are verified. */
export function notePartialLayer(session: Session): (layer: Descriptor) => void {
  const { verbose } = session.options();
  return ({ digest }) => {
    if (!verbose) return;
    session.note(
      `reading parts of the layer ${digest}, verified by its table of contents rather than by its ` +
        "DiffID",
    );
  };
}

/** Notes with `--verbose` how many bytes of partial layers came from other layers in the store. */
export function noteReusedBytes(session: Session, bytes: number): void {
  if (bytes === 0 || !session.options().verbose) return;
  session.note(`took ${formatBytes(bytes)} from other layers in the store`);
}
