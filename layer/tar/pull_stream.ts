/**
 * Creates a transform stream that produces its output on demand, because one input chunk may
 * produce thousands of outputs.
 *
 * @param generate Yields the outputs for the inputs. If it throws, the input is canceled with the
 * error. If the output is canceled, the generator returns and the input is canceled with the
 * reason.
 */
export function pullStream<Input, Output>(
  generate: (source: () => Promise<Input | undefined>) => AsyncGenerator<Output, void, void>,
): TransformStream<Input, Output> {
  const { readable: source, writable } = new TransformStream<Input, Input>();
  const reader = source.getReader();
  const outputs = generate(async () => (await reader.read()).value);
  const readable = new ReadableStream<Output>({
    async pull(controller) {
      try {
        const output = await outputs.next();
        if (output.done) controller.close();
        else controller.enqueue(output.value);
      } catch (error) {
        await reader.cancel(error).catch(() => {});
        throw error;
      }
    },
    async cancel(reason) {
      // Not awaited, because a pending output may be waiting for its reader.
      outputs.return().catch(() => {});
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return { readable, writable };
}
