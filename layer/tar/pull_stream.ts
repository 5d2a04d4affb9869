/**
 * A transform whose output is made as it is asked for, and no sooner: one chunk of input may give
 * thousands of outputs.
 *
 * @param generate Gives the outputs for the inputs. When it throws, the input is cancelled with
 *   the error; when the output is cancelled, it is returned and the input cancelled with the
 *   reason.
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
      // An output that is being made may wait for its reader: it is not waited for.
      outputs.return().catch(() => {});
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return { readable, writable };
}
