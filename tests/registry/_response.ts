import { Watchdog } from "../../registry/transport/_watchdog.ts";
import { HttpResponse } from "../../registry/transport/http_response.ts";

/** Creates a response without a body. */
export function emptyResponse(url: URL, status: number, headers: HeadersInit = {}): HttpResponse {
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
  return new HttpResponse(
    parts,
    { url, task: { action: "pull", subject: "a" }, attempt: 1 },
    watchdog,
  );
}
