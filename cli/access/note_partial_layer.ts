import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Session } from "../frame/session.ts";

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
