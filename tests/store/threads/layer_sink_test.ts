import { assert, assertEquals, assertRejects } from "@std/assert";
import { PortSink, type PortSinkOptions, serveSink } from "../../../store/threads/_port_sink.ts";
import { type StreamConsumer, StreamSink } from "../../../store/threads/_stream_sink.ts";
import type { LayerSink, SinkListener } from "../../../store/threads/layer_sink.ts";

const SILENT: SinkListener = { warn() {}, fail() {} };

/** Collects the bytes of a layer, once it is released. */
class Collector implements StreamConsumer<readonly number[]> {
  position = 0;
  resets = 0;
  hasEnded = false;
  readonly #gate: Promise<void>;

  constructor(gate: Promise<void> = Promise.resolve()) {
    this.#gate = gate;
  }

  async consume(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<readonly number[]> {
    const bytes: number[] = [];
    try {
      for await (const chunk of stream) bytes.push(...chunk);
    } finally {
      await this.#gate;
      this.hasEnded = true;
    }
    this.position = bytes.length;
    return bytes;
  }

  reset(): Promise<void> {
    this.resets++;
    return Promise.resolve();
  }
}

/** Opens a sink, directly or behind a port of this thread. */
type OpenSink = (consumer: Collector, options?: PortSinkOptions) => LayerSink<readonly number[]>;

const SINKS: Readonly<Record<string, OpenSink>> = {
  StreamSink: (consumer) => new StreamSink(consumer),
  PortSink: (consumer, options) => {
    const { port1, port2 } = new MessageChannel();
    serveSink(port2, false, (_listener, release) => new StreamSink(consumer, release));
    return new PortSink(port1, SILENT, options);
  },
};

for (const [name, openSink] of Object.entries(SINKS)) {
  Deno.test(`${name} returns the result of its consumer`, async () => {
    await using sink = openSink(new Collector());

    await sink.write(new Uint8Array([1, 2]));
    await sink.write(new Uint8Array([3]));

    assertEquals(await sink.close(), [1, 2, 3]);
    assertEquals(sink.position, 3);
  });

  Deno.test(`${name}.restart() discards the bytes so far`, async () => {
    const collector = new Collector();
    await using sink = openSink(collector);
    await sink.write(new Uint8Array([1]));

    await sink.restart();
    await sink.write(new Uint8Array([2]));

    assertEquals(await sink.close(), [2]);
    assertEquals(collector.resets, 1);
  });

  Deno.test(`${name}.close() fails with the failure of the writer`, async () => {
    await using sink = openSink(new Collector());
    await sink.write(new Uint8Array([1]));

    await assertRejects(() => sink.close(new RangeError("cut off")), RangeError, "cut off");
  });

  Deno.test(`${name} waits in each disposal until its consumer has ended`, async () => {
    const gate = Promise.withResolvers<void>();
    const collector = new Collector(gate.promise);
    const sink = openSink(collector);
    await sink.write(new Uint8Array([1]));

    const disposals = [1, 2].map(async () => {
      await sink[Symbol.asyncDispose]();
      return collector.hasEnded;
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    gate.resolve();

    assertEquals(await Promise.all(disposals), [true, true]);
  });
}

Deno.test("PortSink makes the writer wait until its window has room", async () => {
  const gate = Promise.withResolvers<void>();
  await using sink = SINKS.PortSink?.(new Collector(gate.promise), { windowBytes: 2 });

  const pending = sink?.write(new Uint8Array([1, 2, 3]));

  assert(pending instanceof Promise);
  gate.resolve();
  await pending;
  assertEquals(await sink?.close(), [1, 2, 3]);
});

Deno.test("PortSink counts the whole buffer of a chunk", async () => {
  await using sink = SINKS.PortSink?.(new Collector(), { windowBytes: 100 });
  assert(sink !== undefined);

  assertEquals(sink.write(new Uint8Array(50)), undefined);
  const pending = sink.write(new Uint8Array(200).subarray(0, 1));

  assert(pending instanceof Promise);
  await pending;
  assertEquals((await sink.close()).length, 51);
});

Deno.test("PortSink.fail() rejects pending calls after the other thread has ended", async () => {
  const { port1, port2 } = new MessageChannel();
  const failures: unknown[] = [];
  await using sink = new PortSink(port1, { warn() {}, fail: (error) => failures.push(error) });
  const closing = assertRejects(() => sink.close(), TypeError, "gone");

  sink.fail(new TypeError("gone"));

  await closing;
  assertEquals(failures.length, 1);
  port2.close();
});
