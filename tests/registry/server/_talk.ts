import type { RegistryServer } from "../../../registry/mod.ts";

/** Timeout of connections, for tests with manual time. */
export const IDLE_MS: number = 60_000;

/** Sends bytes, and reads until the server closes the connection. */
export async function talk(
  { host }: RegistryServer,
  text: string,
  onText: (received: string) => void = () => {},
): Promise<string> {
  using connection = await Deno.connect({ port: Number(host.slice(host.lastIndexOf(":") + 1)) });
  await connection.write(new TextEncoder().encode(text));
  let received = "";
  try {
    for await (const chunk of connection.readable.pipeThrough(new TextDecoderStream())) {
      received += chunk;
      onText(received);
    }
    return received;
  } catch (error) {
    // It was closed with unread bytes.
    if (error instanceof Deno.errors.ConnectionReset) return "";
    throw error;
  }
}
