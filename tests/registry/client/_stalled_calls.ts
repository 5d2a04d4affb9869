/**
 * Calls a registry with stalling responses, and prints how each call ended. Runs in a separate
 * process, because only a flag of V8 allows it to force garbage collections.
 *
 * @module
 */
import { NetworkError, parseReference, RemoteClient } from "../../../registry/mod.ts";
import type { Descriptor } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/content/content_store.ts";
import { tryLockFile } from "../../../store/host/file_lock.ts";

/** Argument of the process, as JSON. */
export interface StalledCalls {
  readonly stallTimeoutMs: number;
  readonly retries: number;
  /** Whether the caller aborts, rather than wait for the timeout. */
  readonly isAborted: boolean;
  /** Path of a store that may be written to. */
  readonly store: string;
  readonly blob: Descriptor;
  readonly calls: readonly { readonly name: string; readonly host: string }[];
}

/** Outcome of a call. */
export interface StalledCall {
  readonly name: string;
  readonly outcome: string;
  readonly ms: number;
}

const given = JSON.parse(Deno.args[0] ?? "") as StalledCalls;
const collect = (globalThis as { gc?: () => void }).gc;
// In Deno 2.9, aborting a signal has no effect after a garbage collection.
const collecting = collect === undefined ? undefined : setInterval(collect, 50);

async function call(name: string, host: string, signal: AbortSignal): Promise<unknown> {
  const reference = parseReference(`${host}/a/b:v1`);
  using client = new RemoteClient({
    credentials: "none",
    stallTimeoutMs: given.stallTimeoutMs,
    retries: given.retries,
    backoff: { firstMs: 1, maxMs: 1 },
  });
  switch (name) {
    case "tags":
      return await Array.fromAsync(client.tags(reference, { signal }));
    case "referrers":
      return await client.referrers(reference, { signal });
    case "blob": {
      const store = await ContentStore.open(given.store);
      return await store.ingest(
        given.blob,
        (options) => client.blob(reference, given.blob, options),
        { signal },
      );
    }
    case "error body":
    case "resolve":
      return await client.resolve(reference, { signal });
    default:
      return await client.image(reference, { platform: "linux/amd64", signal });
  }
}

async function outcomeOf(name: string, host: string): Promise<string> {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    if (given.isAborted) controller.abort(new Error("aborted"));
  }, given.stallTimeoutMs);
  try {
    await call(name, host, controller.signal);
    return "done";
  } catch (error) {
    if (error instanceof NetworkError) return error.reason;
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}

const ended: StalledCall[] = await Promise.all(given.calls.map(async ({ name, host }) => {
  const started = performance.now();
  const outcome = await outcomeOf(name, host);
  return { name, outcome, ms: performance.now() - started };
}));
clearInterval(collecting);
const hex = given.blob.digest.slice("sha256:".length);
const ingest = `${given.store}/ingest`;
await Deno.mkdir(ingest, { recursive: true });
using part = await tryLockFile(`${ingest}/sha256-${hex}.part`);
const report = JSON.stringify({ ended, isPartFree: part !== undefined });
Deno.stdout.writeSync(new TextEncoder().encode(report));
