import { assertEquals, assertThrows } from "@std/assert";
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

Deno.test("ProgressMeter reports the bytes of a burst although no more follow", async () => {
  const { layers: [layer] } = buildImage({ layers: [tar(file("a"))] });
  if (layer === undefined) throw new Error("the image has a layer");
  const { promise, resolve } = Promise.withResolvers<ImageProgress>();
  const meter = new ProgressMeter("image", { layers: [layer], documents: [] }, (event) => {
    if (event.kind === "total" && event.bytes === 60) resolve(event);
  });

  for (const bytes of [0, 30, 60]) {
    meter.update(layer.descriptor, { bytes, resumed: 0, retries: 0 });
  }

  assertEquals((await promise).phase, "fetch");
});

Deno.test("ProgressMeter passes an error of a late report on to the transfer", async () => {
  const { layers: [layer] } = buildImage({ layers: [tar(file("a"))] });
  if (layer === undefined) throw new Error("the image has a layer");
  const { promise, resolve } = Promise.withResolvers<void>();
  const meter = new ProgressMeter("image", { layers: [layer], documents: [] }, ({ bytes }) => {
    if (bytes !== 30) return;
    resolve();
    throw new Error("from the callback");
  });
  const progress = { resumed: 0, retries: 0 };
  meter.update(layer.descriptor, { ...progress, bytes: 0 });
  meter.update(layer.descriptor, { ...progress, bytes: 30 });

  await promise;

  const finish = () => meter.finish(layer.descriptor, { ...progress, bytes: 60 });
  assertThrows(finish, Error, "from the callback");
});

Deno.test("ProgressMeter reports nothing once it is disposed of", async () => {
  const { layers: [layer] } = buildImage({ layers: [tar(file("a"))] });
  if (layer === undefined) throw new Error("the image has a layer");
  const events: (number | undefined)[] = [];
  const start = () => {
    return new ProgressMeter("image", { layers: [layer], documents: [] }, ({ bytes }) => {
      events.push(bytes);
      if (bytes === 60) resolve();
    });
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  const update = (meter: ProgressMeter, bytes: number) => {
    meter.update(layer.descriptor, { bytes, resumed: 0, retries: 0 });
  };

  {
    using meter = start();
    for (const bytes of [10, 20]) update(meter, bytes);
  }
  using later = start();
  for (const bytes of [50, 60]) update(later, bytes);
  // A timer that began before this one has passed, too.
  await promise;

  assertEquals(events.includes(20), false);
});
