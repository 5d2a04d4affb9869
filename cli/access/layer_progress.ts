import { ProgressMeter } from "../../cache/progress_meter.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { LayerListener } from "../../store/content/ingest_layer.ts";
import type { Session } from "../frame/session.ts";

/** Progress of layers that a command downloads on demand. Disposing of it hides the display. */
export interface LayerProgress extends AsyncDisposable {
  readonly listener: LayerListener;
}

/**
 * Shows the progress of an image's layers on a terminal. Shows nothing elsewhere, because the image
 * is not the result of the command.
 */
export function showLayers(session: Session, name: string): LayerProgress {
  if (!Deno.stderr.isTerminal()) return { listener: {}, async [Symbol.asyncDispose]() {} };
  const shown = session.showProgress();
  let meter: ProgressMeter | undefined;
  let isOver = false;
  const expect = (layer: Descriptor): ProgressMeter => {
    meter ??= new ProgressMeter(name, { layers: [], documents: [] }, (event) => {
      if (!isOver) shown.report(event);
    });
    meter.expect(layer, true);
    return meter;
  };
  return {
    listener: {
      onProgress: (layer, progress) => expect(layer).update(layer, progress),
      onLayer: (layer, ingestion) => {
        if (ingestion.status === "fetched") expect(layer).stored(layer, ingestion);
      },
    },
    async [Symbol.asyncDispose]() {
      if (isOver) return;
      isOver = true;
      meter?.[Symbol.dispose]();
      await shown[Symbol.asyncDispose]();
    },
  };
}
