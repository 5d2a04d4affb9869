import { assertEquals } from "@std/assert";
import { ProgressMeter } from "../../cache/progress_meter.ts";
import type { ImageProgress } from "../../registry/mod.ts";
import { buildImage } from "../_support/image.ts";
import { file, tar } from "../_support/tar.ts";

Deno.test("ProgressMeter.read() never goes back if a layer is read twice", () => {
  const { layers } = buildImage({ layers: [tar(file("a")), tar(file("b"))] });
  const events: ImageProgress[] = [];
  const report = (event: ImageProgress) => events.push(event);
  const meter = new ProgressMeter("image", { layers, documents: [] }, report, "extract");
  const [twice, once] = layers.map(({ descriptor }) => descriptor);
  if (twice === undefined || once === undefined) throw new Error("the image has two layers");

  meter.read(twice, 30);
  meter.read(twice, 10);
  meter.read(once, once.size);

  const totals = events.filter(({ kind }) => kind === "total").map(({ bytes }) => bytes);
  assertEquals(totals, [0, 30, 30 + once.size]);
});

Deno.test("ProgressMeter calls an image cached only once it knows its content", () => {
  const { layers: [layer] } = buildImage({ layers: [tar(file("a"))] });
  if (layer === undefined) throw new Error("the image has a layer");
  const events: ImageProgress[] = [];
  const report = (event: ImageProgress) => events.push(event);
  const meter = new ProgressMeter("image", { layers: [], documents: [] }, report);

  meter.expect(layer.descriptor, true);
  const { size: bytes } = layer.descriptor;
  meter.finish(layer.descriptor, { bytes, resumed: 0, retries: 0, cached: true });

  const totals = events.filter(({ kind }) => kind === "total").map(({ cached }) => cached);
  assertEquals(totals, [false, true]);
});
