import { Answer } from "../../registry/transport/answer.ts";
import { Watchdog } from "../../registry/transport/watchdog.ts";

/** Creates a response without a body. */
export function emptyAnswer(url: URL, status: number, headers: HeadersInit = {}): Answer {
  const watchdog = new Watchdog({
    signal: undefined,
    stallTimeoutMs: 1,
    stallError: () => new Error("Cannot wait: nothing came"),
    onGiveUp: () => {},
  });
  const parts = {
    status,
    headers: new Headers(headers),
    latencyMs: 0,
    body: undefined,
    close() {},
  };
  return new Answer(parts, { url, task: { action: "pull", subject: "a" }, attempt: 1 }, watchdog);
}
